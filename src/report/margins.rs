//! How many more nodes may fail, shown.

use super::paint::Paint;
use super::status::entry;
use crate::status::Conclusion;
use crate::status::margin::{NodeMargin, Subject};

/// A line for each margin.
pub(super) fn text(margins: &[NodeMargin], paint: Paint, width: usize) -> String {
    if margins.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}  how many more nodes may fail at once\n\n", paint.bold("margins"));
    for margin in margins {
        let mark = match (margin.stands, margin.nodes) {
            (Conclusion::Yes, Some(0)) => paint.care("!"),
            (Conclusion::Yes, _) => paint.good("✔"),
            (Conclusion::No, _) => paint.bad("✘"),
            (Conclusion::Unknown, _) => paint.care("?"),
        };
        text += &entry(&mark, &line(margin), width);
    }
    text
}

fn line(margin: &NodeMargin) -> String {
    let what = match (margin.of, &margin.name) {
        (Subject::Api, _) => "the API",
        (Subject::Site, _) => "the site",
        (Subject::Volume, name) => name.as_deref().unwrap_or("a volume"),
    };
    let nodes = match (margin.stands, margin.nodes) {
        (Conclusion::Yes, Some(0)) => "none".to_owned(),
        (Conclusion::Yes, Some(nodes)) => nodes.to_string(),
        (Conclusion::No, _) => "stopped".to_owned(),
        (Conclusion::Unknown, _) | (Conclusion::Yes, None) => "not known".to_owned(),
    };
    format!("{what}: {nodes}; {}", margin.limit)
}
