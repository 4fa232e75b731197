//! The page: HTML with everything in it.

mod chart;
mod data;
mod picture;
mod text;
mod view;

use minijinja::{AutoEscape, Environment, Value};

use crate::error::Error;
use crate::survey::Survey;
use crate::units;

pub use text::{Fact, Row, SnapshotRow, Text};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// The digest of the script, by which the policy of the page lets it run: no other script
/// does. A test prints the right one.
const SCRIPT_SHA256: &str = "4bE5tgNqxoAwacKC26mbirRjsiyYhQGAVMjlmAodiKY=";

/// The templates. Those with a macro are imported by the others.
const TEMPLATES: [(&str, &str); 4] = [
    ("page.html", include_str!("page/page.html")),
    ("picture.html", include_str!("page/picture.html")),
    ("disk.html", include_str!("page/disk.html")),
    ("image.html", include_str!("page/image.html")),
];

/// Returns `survey` as a page, with the words of `text`.
///
/// # Errors
///
/// [`Error::Page`] and [`Error::Json`], which are faults of this crate.
pub fn page(survey: &Survey, text: &Text) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("bytes", units::bytes);
    environment.add_filter("grouped", units::grouped);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let safe = |text: String| Value::from_safe_string(text);
    let context = minijinja::context! {
        style => safe(STYLE.to_owned()),
        script => safe(SCRIPT.to_owned()),
        script_sha256 => SCRIPT_SHA256,
        data => safe(data::island(survey)?),
        ..Value::from_serialize(view::View::new(survey, text))
    };
    Ok(environment.get_template("page.html")?.render(context)?)
}

#[cfg(test)]
mod tests;
