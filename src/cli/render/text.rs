//! Text for a terminal: colour where it is wanted, no control characters from elsewhere, lines of bounded width.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal as _},
    time::Duration,
};

use clap::ValueEnum;
use terminal_size::{Width as Columns, terminal_size_of};

/// The width lines are shortened to where the terminal does not tell its own.
const WIDTH: usize = 120;

/// How output looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    is_coloured: bool,
    width: Width,
}

/// How wide lines may be.
#[derive(Debug, Clone, Copy)]
enum Width {
    Fixed(usize),
    /// As wide as the terminal is by now: people change it.
    Terminal(Stream),
}

/// A stream that may be a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Whether there is colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// The colours in use; a terminal's own palette decides what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// What went wrong.
    Red,
    /// What went well.
    Green,
    /// What needs attention.
    Yellow,
    /// Names of tools and agents.
    Cyan,
}

impl Look {
    /// Without colour and of the usual width.
    pub const PLAIN: Self = Self { is_coloured: false, width: Width::Fixed(WIDTH) };

    /// As fits the stream.
    #[must_use]
    pub fn of(stream: Stream, choice: ColourChoice) -> Self {
        let width = if stream.is_terminal() { Width::Terminal(stream) } else { Width::Fixed(WIDTH) };
        let refuses = || {
            env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
                || env::var_os("TERM").is_some_and(|term| term == "dumb")
        };
        let is_coloured = match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => stream.is_terminal() && !refuses(),
        };
        Self { is_coloured, width }
    }

    /// Whether there is colour.
    #[must_use]
    pub fn is_coloured(self) -> bool {
        self.is_coloured
    }

    /// How many characters fit into a line.
    #[must_use]
    pub fn width(self) -> usize {
        let stream = match self.width {
            Width::Fixed(width) => return width,
            Width::Terminal(stream) => stream,
        };
        let told = || env::var("COLUMNS").ok()?.parse().ok();
        stream.columns().or_else(told).filter(|columns| *columns > 0).unwrap_or(WIDTH)
    }

    /// The text in a colour, if this look has any.
    #[must_use]
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if !self.is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Cyan => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// One line: a head that is kept whole and painted, and a tail that takes the room that is left.
    #[must_use]
    pub fn line(self, colour: Colour, head: &str, tail: &str) -> String {
        let head = one_line(head);
        let room = self.width().saturating_sub(head.chars().count() + 1);
        let painted = self.paint(colour, &head);
        if tail.is_empty() { painted } else { format!("{painted} {}", shorten(&one_line(tail), room)) }
    }
}

impl Stream {
    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }

    fn columns(self) -> Option<usize> {
        let size = match self {
            Self::Out => terminal_size_of(io::stdout()),
            Self::Err => terminal_size_of(io::stderr()),
        };
        size.map(|(Columns(columns), _)| columns.into())
    }
}

/// The text without control characters but for newline and tab: those that could steer a terminal, those that reorder the
/// text around them, and those that nobody sees are shown escaped. A carriage return before a newline is dropped, and one
/// emoji's wish to be in colour is let through.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut last = ' ';
    while let Some(letter) = letters.next() {
        match letter {
            '\n' | '\t' => clean.push(letter),
            '\r' if letters.peek() == Some(&'\n') => {}
            // Behind a symbol it is what every keyboard writes; elsewhere it is one of a hundred ways to hide bits.
            '\u{fe0f}' if matches!(last, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') => clean.push(letter),
            _ if is_steering(letter) => clean.extend(letter.escape_default()),
            _ => clean.push(letter),
        }
        last = letter;
    }
    clean
}

/// Whether a character does something else than to be shown: the control characters, line and paragraph separators, those
/// that reorder the text around them, and those that nobody sees, in which a text can hide another (Unicode's
/// `Default_Ignorable_Code_Point`, and what marks annotations).
#[must_use]
pub fn is_steering(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// As [`clean`], on one line: every run of white space is a space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&clean(word));
    }
    line
}

/// The text, cut to at most `width` characters with an ellipsis where something is missing.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A duration for people: `250ms`, `3.2s`, `10s`, `2m 05s`, `1h 02m`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let mut text = String::new();
    let seconds = duration.as_secs();
    // Writing to a String cannot fail.
    let _ = match seconds {
        0 => write!(text, "{}ms", duration.as_millis()),
        1..60 if duration.subsec_millis() < 100 => write!(text, "{seconds}s"),
        1..60 => write!(text, "{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => write!(text, "{}m {:02}s", seconds / 60, seconds % 60),
        _ => write!(text, "{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let all: String = ('\0'..='\u{9f}').chain(['\u{202e}', '\u{2066}', 'é', '✓']).collect();
        let clean = clean(&all);
        assert!(clean.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{clean}");
        assert!(clean.contains("\\u{1b}") && clean.contains("\\u{9b}") && clean.contains("\\u{202e}"), "{clean}");
        assert!(clean.ends_with("é✓"));
    }

    #[test]
    fn what_nobody_sees_is_shown_escaped() {
        for hidden in "\u{200b}\u{200d}\u{200e}\u{2060}\u{feff}\u{ad}\u{61c}\u{3164}\u{fe0e}\u{e0041}\u{e0100}".chars()
        {
            let clean = clean(&format!("a{hidden}b"));
            assert_eq!(clean, format!("a{}b", hidden.escape_default()));
        }
        assert_eq!(clean("⚠\u{fe0f} a\u{fe0f}\u{fe0f}"), "⚠\u{fe0f} a\\u{fe0f}\\u{fe0f}");
        assert_eq!(clean("⚠\u{fe0f}\u{fe0f}"), "⚠\u{fe0f}\\u{fe0f}", "once");
    }

    #[test]
    fn lines_that_end_as_on_windows_read_as_others_do() {
        assert_eq!(clean("a\r\nb\rc"), "a\nb\\rc");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line(" a\n\tb \u{85} c\u{1b}[2J "), "a b c\\u{1b}[2J");
    }

    #[test]
    fn what_is_too_long_is_cut_with_an_ellipsis() {
        assert_eq!(shorten("abcde", 5), "abcde");
        assert_eq!(shorten("ábcdef", 5), "ábcd…");
        let look = Look { is_coloured: false, width: Width::Fixed(10) };
        assert_eq!(look.line(Colour::Cyan, "→ tool", "0123456789"), "→ tool 01…");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        let look = Look { is_coloured: true, width: Width::Fixed(80) };
        assert_eq!(look.paint(Colour::Red, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Look::PLAIN.paint(Colour::Red, "x"), "x");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let millis = |millis| span(Duration::from_millis(millis));
        assert_eq!([millis(250), millis(3_250), millis(125_000)], ["250ms", "3.2s", "2m 05s"]);
        assert_eq!([millis(2_000), millis(3_720_000)], ["2s", "1h 02m"]);
    }
}
