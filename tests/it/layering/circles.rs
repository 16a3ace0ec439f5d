//! No circle of files: what two files share stands in a file below both.
//!
//! A file needs another when it names something of it; naming what a folder's own file passes on (`pub use`) needs the
//! file it comes from. Declaring a module needs nothing. Tests may name what they test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Item, UseTree,
    visit::{self, Visit},
};

/// A module's path, from the crate's root.
type Module = Vec<String>;

/// A file: what it names, and what it passes on under which name.
#[derive(Default)]
struct File {
    named: Vec<Module>,
    passed_on: BTreeMap<String, Module>,
}

#[test]
fn no_files_need_each_other() {
    let faults = told(&needs());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Where a room is a folder with all that is in it: of two that lie side by side, one is above the other.
#[test]
fn no_rooms_need_each_other() {
    let needs = needs();
    let folders: BTreeSet<Module> = needs.keys().filter_map(|file| Some(file.split_last()?.1.to_vec())).collect();
    let faults: Vec<String> = folders.iter().flat_map(|folder| told(&between_rooms(&needs, folder))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The circles, and what ties them.
fn told(needs: &Needs) -> Vec<String> {
    let mut lines = Vec::new();
    for circle in circles(needs) {
        lines.push(format!("a circle of {}:", circle.len()));
        for (file, (needed, ties)) in circle.iter().flat_map(|file| needs[*file].iter().map(move |need| (file, need))) {
            if circle.contains(&needed) {
                let ties = ties.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                lines.push(format!("  {} names {ties} of {}", file.join("::"), needed.join("::")));
            }
        }
    }
    lines
}

/// What the rooms and files side by side in a folder need of each other.
fn between_rooms(needs: &Needs, folder: &Module) -> Needs {
    let room = |file: &Module| file.starts_with(folder).then(|| file.get(..=folder.len()).map(<[String]>::to_vec))?;
    let mut rooms = Needs::new();
    for (file, needed) in needs {
        let Some(own) = room(file) else { continue };
        let of_own = rooms.entry(own.clone()).or_default();
        for (needed, ties) in needed {
            if let Some(other) = room(needed).filter(|other| *other != own) {
                of_own.entry(other).or_default().extend(ties.iter().cloned());
            }
        }
    }
    rooms
}

/// Reads a file and those it declares.
fn read(path: &Path, module: &Module, files: &mut BTreeMap<Module, File>) {
    let code = fs::read_to_string(path).expect("readable");
    let code = syn::parse_file(&code).expect("Rust");
    let mut reader = Reader { module: module.clone(), file: File::default(), children: Vec::new() };
    reader.visit_file(&code);
    files.insert(module.clone(), reader.file);
    for child in reader.children {
        let name = child.last().expect("a name");
        let is_folder = ["mod.rs", "lib.rs"].iter().any(|own| path.ends_with(own));
        let folder = if is_folder { path.parent().expect("a folder").to_path_buf() } else { path.with_extension("") };
        let own = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        if let Some(path) = own.iter().find(|path| path.is_file()) {
            read(path, &child, files);
        }
    }
}

/// Walks one file.
struct Reader {
    module: Module,
    file: File,
    children: Vec<Module>,
}

impl Reader {
    /// Where a path leads, from the crate's root; the path itself where it starts with a module beside or below, which
    /// only the list of all files can tell.
    fn absolute(&self, path: &[String]) -> Module {
        let mut absolute = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (absolute, rest) = (Vec::new(), &path[1..]),
            Some("self") => rest = &path[1..],
            _ => {}
        }
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            absolute.pop();
            rest = after;
        }
        absolute.extend_from_slice(rest);
        absolute
    }

    fn leaves(&mut self, tree: &UseTree, before: &mut Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.leaves(&path.tree, before, is_public);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.leaves(tree, before, is_public)),
            UseTree::Glob(_) => self.leaf(before.clone(), None),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let path =
                    if name == "self" { before.clone() } else { [&before[..], std::slice::from_ref(&name)].concat() };
                self.leaf(path, Some(name).filter(|_| is_public));
            }
            UseTree::Rename(rename) => {
                let path = [&before[..], &[rename.ident.to_string()]].concat();
                self.leaf(path, Some(rename.rename.to_string()).filter(|_| is_public));
            }
        }
    }

    /// Something named; under which name it is passed on, if it is.
    fn leaf(&mut self, path: Vec<String>, passed_on: Option<String>) {
        let path = self.absolute(&path);
        if let Some(name) = passed_on {
            self.file.passed_on.insert(name, path.clone());
        }
        self.file.named.push(path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(inner) if inner.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) => {}
            Item::Mod(inner) if inner.content.is_none() => {
                self.children.push([&self.module[..], &[inner.ident.to_string()]].concat());
            }
            Item::Use(used) => {
                let is_public = !matches!(used.vis, syn::Visibility::Inherited);
                self.leaves(&used.tree, &mut Vec::new(), is_public);
            }
            item => visit::visit_item(self, item),
        }
    }

    /// How far something is seen needs nobody.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.leaf(segments, None);
        }
        visit::visit_path(self, path);
    }
}

/// Which files each file needs, and what of them.
type Needs = BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>;

fn needs() -> Needs {
    let mut files = BTreeMap::new();
    read(Path::new("src/lib.rs"), &Vec::new(), &mut files);
    assert!(files.len() > 100, "only {} files were read", files.len());
    let mut needs = Needs::new();
    for (module, file) in &files {
        let needed = needs.entry(module.clone()).or_default();
        for path in &file.named {
            if let Some((home, item)) = home(&files, path)
                && home != module
            {
                needed.entry(home.clone()).or_default().insert(item);
            }
        }
    }
    needs
}

/// The file in which a path ends, past those that only pass it on, and what it names there.
fn home<'a>(files: &'a BTreeMap<Module, File>, path: &[String]) -> Option<(&'a Module, String)> {
    // The root holds nothing of its own.
    let length = (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let (module, file) = files.get_key_value(&path[..length])?;
    let Some(item) = path.get(length) else {
        return Some((module, "itself".to_owned()));
    };
    match file.passed_on.get(item) {
        // What comes from another crate is this file's.
        Some(further) if further[..] != path[..=length] && further.get(length) != Some(item) => {
            home(files, &[&further[..], &path[length + 1..]].concat())
        }
        _ => Some((module, item.clone())),
    }
}

/// Files of which each needs, through others or not, all the others.
fn circles(needs: &Needs) -> Vec<Vec<&Module>> {
    let reached = |from| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(needs[file].keys().filter(|needed| reached.insert(*needed)));
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = needs.keys().map(|file| (file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for file in needs.keys().filter(|file| reached[file].contains(file)) {
        let with = reached[file].iter().filter(|other| reached[**other].contains(file));
        circles.insert(with.copied().collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}
