//! URL templates: a fixed scheme, host and port, and a path and query with placeholders. A value can change neither
//! where the request goes nor how many segments its path has.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::origin::BadOrigin;

/// All but the characters that RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Placeholders whose value is not a parameter of the item.
const KEY: &str = "key";
const NAMESPACE: &str = "namespace";

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    /// Scheme, host and port, without a slash at the end.
    base: String,
    parts: Vec<Part>,
    parameters: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Placeholder { name: String, in_path: bool },
}

/// What a template is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// For `{key}`.
    pub key: &'a str,
    /// For `{namespace}`.
    pub namespace: &'a str,
    /// For all other placeholders: each of them exactly once.
    pub parameters: &'a BTreeMap<String, String>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        let bad = |what: &str| BadOrigin(format!("the URL template {what}"));
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| bad("begins with neither `https://` nor `http://`"))?;
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        if authority.is_empty() || authority.contains(['{', '}', '@']) {
            return Err(bad("needs a fixed host, without placeholders and without a user name"));
        }
        let base = text[..text.len() - rest.len() + authority.len()].to_owned();
        let mut path = rest[authority.len()..].to_owned();
        if path.contains('#') {
            return Err(bad("has a fragment, which is never sent"));
        }
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        let parts = parts(&path).ok_or_else(|| bad("has a brace that does not belong to a {name}"))?;
        let names = parts.iter().filter_map(|part| match part {
            Part::Placeholder { name, .. } => Some(name.clone()),
            Part::Literal(_) => None,
        });
        let parameters = names.filter(|name| name != KEY && name != NAMESPACE).collect();
        let template = Self { base, parts, parameters };
        template
            .join(|_name| Some("x"))
            .ok_or_else(|| bad("is no URL, or is not percent-encoded where it has to be"))?;
        Ok(template)
    }

    /// The URL for these values.
    ///
    /// # Errors
    /// What is wrong with the values, without showing them.
    pub fn fill(&self, values: &Values<'_>) -> Result<Url, String> {
        if let Some(missing) = self.parameters.iter().find(|name| !values.parameters.contains_key(*name)) {
            return Err(format!("the origin needs a parameter `{missing}`"));
        }
        if values.parameters.keys().any(|name| !self.parameters.contains(name)) {
            let known: Vec<_> = self.parameters.iter().map(String::as_str).collect();
            return Err(match known.as_slice() {
                [] => "the origin takes no parameters".to_owned(),
                known => format!("the origin takes no other parameters than: {}", known.join(", ")),
            });
        }
        let value = |name: &str| match name {
            KEY => Some(values.key),
            NAMESPACE => Some(values.namespace),
            parameter => values.parameters.get(parameter).map(String::as_str),
        };
        self.join(value).ok_or_else(|| "a value is empty, `.` or `..` where the URL needs a path segment".to_owned())
    }

    /// The URL, unless parsing it changes it: then a value would have moved through the path.
    fn join<'a>(&'a self, value: impl Fn(&'a str) -> Option<&'a str>) -> Option<Url> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Placeholder { name, in_path } => {
                    let value = value(name).filter(|value| !(*in_path && value.is_empty()))?;
                    path.extend(utf8_percent_encode(value, ENCODED));
                }
            }
        }
        let url = Url::parse(&format!("{}{path}", self.base)).ok()?;
        let parsed = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        (parsed == path).then_some(url)
    }
}

fn parts(path: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = path;
    let mut in_path = true;
    while let Some(open) = rest.find('{') {
        let literal = &rest[..open];
        in_path &= !literal.contains('?');
        let (name, tail) = rest[open + 1..].split_once('}')?;
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !named || literal.contains('}') {
            return None;
        }
        parts.push(Part::Literal(literal.to_owned()));
        parts.push(Part::Placeholder { name: name.to_owned(), in_path });
        rest = tail;
    }
    if rest.contains('}') {
        return None;
    }
    parts.push(Part::Literal(rest.to_owned()));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, key: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let template = Template::parse(template).unwrap();
        template.fill(&Values { key, namespace: "a/b", parameters: &parameters }).map(String::from)
    }

    #[test]
    fn values_are_encoded_and_stay_where_they_are_put() {
        let url = fill("https://h:8/{namespace}/{key}?q={q}", "x/../y?z#w@é", &[("q", "a&b=c d")]).unwrap();
        assert_eq!(url, "https://h:8/a%2Fb/x%2F..%2Fy%3Fz%23w%40%C3%A9?q=a%26b%3Dc%20d");
        assert_eq!(fill("http://h?k={key}", "", &[]).unwrap(), "http://h/?k=");
    }

    #[test]
    fn values_that_would_move_through_the_path_are_refused() {
        for key in [".", "..", ""] {
            assert!(fill("http://h/a/{key}/b", key, &[]).is_err(), "{key:?}");
        }
        assert!(fill("http://h/{key}.{key}", ".", &[]).is_ok(), "three dots are a name");
        assert!(fill("http://h/.{key}", ".", &[]).is_err());
    }

    #[test]
    fn parameters_are_exactly_those_of_the_template() {
        assert!(fill("http://h/{a}", "k", &[]).unwrap_err().contains("`a`"));
        assert!(fill("http://h/{a}", "k", &[("a", "1"), ("b", "2")]).unwrap_err().contains("a"));
        assert!(fill("http://h/{key}", "k", &[("key", "other")]).is_err(), "the key is not a parameter");
    }

    #[test]
    fn templates_that_leave_the_host_open_are_refused() {
        let bad = [
            "ftp://h/{key}",
            "h/{key}",
            "http://{key}/",
            "http://h{key}/x",
            "http://h:{port}/",
            "http://u:p@h/{key}",
            "http:///x",
            "http://h/#{key}",
            "http://h/{key",
            "http://h/key}",
            "http://h/{}",
            "http://h/{a b}",
            "http://h/a b",
            "http://h/../{key}",
            "{scheme}://h/",
            "http://h:99999/",
        ];
        for template in bad {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
