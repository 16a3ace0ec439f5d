//! One page of a list, of which every row is looked at and only those of the page are kept.

use std::collections::BTreeMap;

use crate::{
    platform::lists::Collect,
    proto::json::Reader,
    translate::lists::{self, Place, Row},
};

/// How large a page may be, in bytes, unless a single row is larger: clients take messages up to 4 MiB by themselves.
const MOST_BYTES: usize = 3 << 20;

/// Why a list is none.
pub const NO_ROW: &str = "one of its rows is no object with an id";

/// The rows that come first behind a place.
pub struct Page<R, F, S> {
    after: Option<Place>,
    /// How many rows it has at most.
    most: usize,
    /// Reads a row.
    read: F,
    /// Whether it is shown.
    is_shown: S,
    rows: BTreeMap<Place, (R, usize)>,
    size: usize,
    /// The first of the rows that came too late in the order to be on it.
    next: Option<Place>,
}

impl<R, F, S> Page<R, F, S> {
    /// Begins after this place; the first page without one.
    pub fn new(after: Option<Place>, most: usize, read: F, is_shown: S) -> Self {
        Self { after, most, read, is_shown, rows: BTreeMap::new(), size: 0, next: None }
    }

    /// The rows in order, and the place of the last one where others follow.
    pub fn end(self) -> (Vec<R>, Option<Place>) {
        let last = self.rows.last_key_value().map(|(place, _)| place.clone()).filter(|_| self.next.is_some());
        (self.rows.into_values().map(|(row, _)| row).collect(), last)
    }

    fn is_full(&self) -> bool {
        self.rows.len() > self.most || self.size > MOST_BYTES && self.rows.len() > 1
    }
}

impl<R, F, S> Collect for Page<R, F, S>
where
    R: Row + Send,
    F: Fn(&mut Reader<'_>) -> Option<R> + Send,
    S: Fn(&R) -> bool + Send,
{
    fn row(&mut self, json: &mut Reader<'_>) -> Result<(), &'static str> {
        let (place, row);
        if self.after.is_none() && self.next.is_none() {
            // Every row is on it so far.
            row = (self.read)(json).ok_or(NO_ROW)?;
            place = row.place().ok_or(NO_ROW)?;
        } else {
            let start = json.at();
            place = lists::place(json).ok_or(NO_ROW)?;
            let is_before = self.after.as_ref().is_some_and(|after| place <= *after);
            if is_before || self.next.as_ref().is_some_and(|next| place >= *next) {
                return Ok(());
            }
            row = (self.read)(&mut Reader::new(json.since(start))).ok_or(NO_ROW)?;
        }
        if !(self.is_shown)(&row) {
            return Ok(());
        }
        let size = row.size();
        self.size += size;
        if let Some((_, twin)) = self.rows.insert(place, (row, size)) {
            self.size -= twin;
        }
        while self.is_full()
            && let Some((place, (_, size))) = self.rows.pop_last()
        {
            self.size -= size;
            self.next = Some(place);
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A row that is as large as its `size`, unless it is `hidden`.
    struct Sample(Value);

    impl Row for Sample {
        fn place(&self) -> Option<Place> {
            lists::place(&mut Reader::new(&self.0.to_string()))
        }

        fn size(&self) -> usize {
            self.0["size"].as_u64().and_then(|size| size.try_into().ok()).unwrap_or(100)
        }
    }

    fn read(json: &mut Reader<'_>) -> Option<Sample> {
        serde_json::from_str(json.skip()?).ok().map(Sample)
    }

    fn page(rows: &[Value], after: Option<Place>, most: usize) -> (Vec<String>, Option<Place>) {
        let mut page = Page::new(after, most, read, |row: &Sample| row.0["hidden"].is_null());
        for row in rows {
            page.row(&mut Reader::new(&row.to_string())).expect("a row");
            assert!(page.rows.len() <= most, "only what is on the page is kept");
        }
        let (rows, next) = page.end();
        (rows.iter().map(|row| row.0["id"].as_str().unwrap_or_default().to_owned()).collect(), next)
    }

    /// All pages, over a list that changes as `change` has it between two of them.
    fn pages(mut rows: Vec<Value>, most: usize, mut change: impl FnMut(&mut Vec<Value>)) -> Vec<String> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = page(&rows, after, most);
            assert!(next.is_none() || !page.is_empty(), "it goes on");
            seen.extend(page);
            match next {
                Some(place) => after = Some(place),
                None => return seen,
            }
            change(&mut rows);
        }
    }

    /// A row that was created then; at zero, nobody knows when.
    fn row(id: usize, second: u32) -> Value {
        let created = (second > 0).then(|| format!("2026-04-10T19:01:{second:02}Z"));
        json!({ "id": format!("task-{id:03}"), "created_at": created })
    }

    proptest! {
        #[test]
        fn every_row_that_is_there_throughout_is_seen_once(
            seconds in prop::collection::vec(0_u32..6, 0..30),
            sizes in prop::collection::vec(1_usize..2 << 20, 30),
            most in 1_usize..8,
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, 0_u32..6), 0..40),
        ) {
            let sized = |(id, second)| {
                let mut row = row(id, second);
                row["size"] = sizes[id % sizes.len()].into();
                row
            };
            let rows: Vec<_> = seconds.iter().copied().enumerate().map(sized).collect();
            let (mut changes, mut added) = (changes.into_iter(), 100);
            // The even ones stay; others go, come, and are created at another time, and all change their order.
            let seen = pages(rows.clone(), most, |rows| {
                for (at, what, second) in changes.by_ref().take(3) {
                    match what {
                        0 => {
                            rows.insert(at.index(rows.len() + 1), row(added, second));
                            added += 1;
                        }
                        _ if rows.is_empty() => {}
                        _ => {
                            let moved = rows.remove(at.index(rows.len()));
                            let id: usize = moved["id"].as_str().expect("an id")[5..].parse().expect("a number");
                            match what {
                                _ if id.is_multiple_of(2) => rows.insert(at.index(rows.len() + 1), moved),
                                1 => rows.push(row(id, second)),
                                _ => {}
                            }
                        }
                    }
                }
            });
            for (id, _) in seconds.iter().enumerate().filter(|(id, _)| id.is_multiple_of(2)) {
                let id = format!("task-{id:03}");
                prop_assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{}", id);
            }
        }

        #[test]
        fn the_pages_of_a_list_that_stays_are_the_list_in_order(
            seconds in prop::collection::vec(0_u32..6, 0..30),
            most in 1_usize..8,
        ) {
            let rows: Vec<_> = seconds.iter().copied().enumerate().map(|(id, second)| row(id, second)).collect();
            let whole = page(&rows, None, 1_000).0;
            prop_assert_eq!(whole.len(), rows.len());
            prop_assert_eq!(pages(rows, most, |rows| rows.reverse()), whole);
        }
    }

    #[test]
    fn a_page_is_no_larger_than_a_client_takes_unless_one_row_is() {
        let large = |id, size: usize| json!({ "id": format!("task-{id}"), "size": size });
        let rows = [large(1, 2 << 20), large(2, 2 << 20), large(3, 9 << 20), large(4, 1)];
        assert_eq!(page(&rows, None, 10).0, ["task-1"]);
        assert_eq!(pages(rows.to_vec(), 10, |_| {}), ["task-1", "task-2", "task-3", "task-4"]);
    }

    #[test]
    fn rows_that_are_not_shown_take_no_place_on_a_page() {
        let hidden = |id: usize| json!({ "id": format!("task-{id:03}"), "hidden": true });
        let rows = [hidden(1), row(2, 0), hidden(3), row(4, 0)];
        assert_eq!(page(&rows, None, 2), (vec!["task-002".to_owned(), "task-004".to_owned()], None));
    }

    #[test]
    fn a_row_that_the_platform_names_twice_is_shown_once() {
        assert_eq!(page(&[row(1, 1), row(1, 1)], None, 10).0, ["task-001"]);
    }
}
