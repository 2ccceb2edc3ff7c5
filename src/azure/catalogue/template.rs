//! Name templates: text with parts in braces, as the head of `catalogue.toml` describes them.

use super::{Catalogue, CatalogueError, Service};
use crate::azure::declaration::PrivateLinkResource;
use crate::dns::Name;

/// Parts that are not set by a resource.
const BUILT_IN: [&str; 6] = ["name", "region", "region_abbreviation", "each", "index", "number"];

/// A part of a template, in braces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    /// A hyphen or dot before it that is omitted with the part.
    before: &'a str,
    /// A dot after it that is omitted with the part.
    after: &'a str,
    /// How many of its characters are used; all if absent.
    len: Option<usize>,
}

impl<'a> Part<'a> {
    fn new(text: &'a str) -> Self {
        let (before, text) = text.split_at(usize::from(text.starts_with(['-', '.'])));
        let (text, after) = text.split_at(text.len() - usize::from(text.ends_with('.')));
        let (name, len) = match text.split_once(':') {
            Some((name, len)) => (name, Some(len.parse().expect("a unit test fills in every template"))),
            None => (text, None),
        };
        Self { name, before, after, len }
    }

    /// The hyphen or dot before it; empty if the part cannot be absent.
    pub(super) const fn before(&self) -> &'a str {
        self.before
    }

    /// The dot after it; empty if the part cannot be absent.
    pub(super) const fn after(&self) -> &'a str {
        self.after
    }

    /// How many characters of its value are used; all if absent.
    pub(super) const fn len(&self) -> Option<usize> {
        self.len
    }

    /// Whether the part is optional.
    pub(super) const fn is_optional(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// Whether a resource sets it.
    pub(super) fn is_of_resource(&self) -> bool {
        !BUILT_IN.contains(&self.name)
    }
}

/// The parts of a template.
pub(super) fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    let pieces = template.split('{').skip(1);
    pieces.filter_map(|piece| piece.split_once('}')).map(|(part, _)| Part::new(part))
}

/// The text before a template's first part, the part, and the text after it; `None` for a template without parts.
pub(super) fn split(template: &str) -> Option<(&str, Part<'_>, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (part, after) = rest.split_once('}')?;
    Some((before, Part::new(part), after))
}

/// Longest template, in octets: a name has 255.
const MAX_TEMPLATE: usize = 512;

/// Why a text is not a template.
pub(super) fn mistake(template: &str) -> Option<String> {
    if template.len() > MAX_TEMPLATE {
        return Some(format!("a template has {} octets; {MAX_TEMPLATE} are the most", template.len()));
    }
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((part, after)) = after.split_once('}').filter(|_| !before.contains('}')) else {
            return Some(format!("braces of \"{template}\" do not match"));
        };
        let text = part.trim_start_matches(['-', '.']).trim_end_matches('.');
        let (name, len) = text.split_once(':').map_or((text, None), |(name, len)| (name, Some(len)));
        let is_name = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_');
        if !is_name || part.len() - text.len() > 1 || len.is_some_and(|len| len.parse::<u8>().is_err()) {
            return Some(format!("{{{part}}} in \"{template}\" is no part"));
        }
        rest = after;
    }
    rest.contains('}').then(|| format!("braces of \"{template}\" do not match"))
}

/// The templates with and without each of its optional parts.
pub fn variants(template: &str) -> Vec<String> {
    let mut variants = vec![String::new()];
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (text, after) = after.split_once('}').unwrap_or((after, ""));
        let part = Part::new(text);
        variants.iter_mut().for_each(|variant| variant.push_str(before));
        let without = if part.is_optional() { variants.clone() } else { Vec::new() };
        for variant in &mut variants {
            *variant += &format!("{}{{{}}}{}", part.before, part.name, part.after);
        }
        variants.extend(without);
        rest = after;
    }
    variants.iter_mut().for_each(|variant| variant.push_str(rest));
    variants
}

/// The values for the templates of one member of one resource.
pub(super) struct Filler<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) service: &'a Service,
    pub(super) resource: &'a PrivateLinkResource,
    /// Index and text of a list element.
    pub(super) element: Option<(usize, &'a str)>,
}

impl Filler<'_> {
    pub(super) fn name(&self, template: &str) -> Result<Name, CatalogueError> {
        let text = self.fill(template)?;
        text.parse().map_err(|error| CatalogueError::BadName(text, error))
    }

    pub(super) fn fill(&self, template: &str) -> Result<String, CatalogueError> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (part, after) = after.split_once('}').expect("a unit test fills in every template");
            let part = Part::new(part);
            match self.part(part.name) {
                Err(CatalogueError::MissingPart(_)) if part.is_optional() => {}
                value => {
                    let value = value?;
                    let value = value.chars().take(part.len.unwrap_or(usize::MAX));
                    text.extend(part.before.chars().chain(value).chain(part.after.chars()));
                }
            }
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Whether the result of a template depends on the name of the resource.
    pub(super) fn is_own(&self, template: &str) -> bool {
        parts(template).any(|part| {
            let default = self.service.defaults.get(part.name);
            let default = default.filter(|_| !self.resource.name_parts.contains_key(part.name));
            part.name == "name" || default.is_some_and(|default| self.is_own(default))
        })
    }

    fn part(&self, part: &str) -> Result<String, CatalogueError> {
        let resource = self.resource;
        let code = || self.catalogue.region_code(&resource.region).map(str::to_owned);
        match (part, self.element) {
            ("name", _) => return Ok(resource.id.name().to_owned()),
            ("region", _) => return Ok(resource.region.to_string()),
            ("each", Some((_, element))) => return Ok(element.to_owned()),
            ("index", Some((number, _))) => return Ok(number.to_string()),
            ("number", element) => return Ok(number(resource.id.name(), element.map_or("", |(_, element)| element))),
            ("region_abbreviation", _) => return Ok(code().unwrap_or_else(|| resource.region.to_string())),
            _ => {}
        }
        let given = resource.name_parts.get(part).map(|value| value.as_str());
        match (given.or_else(|| self.service.value_in(part, &resource.region)), self.service.defaults.get(part)) {
            (Some(value), _) => Ok(value.to_owned()),
            (None, Some(default)) => self.fill(default),
            (None, None) if part == "region_code" => {
                code().ok_or_else(|| CatalogueError::UnknownRegionCode(resource.region.to_string()))
            }
            (None, None) => Err(CatalogueError::MissingPart(part.to_owned())),
        }
    }
}

/// A number of two digits, always the same for a name: 32-bit FNV-1a of the name in lower case.
fn number(name: &str, element: &str) -> String {
    let octets = name.bytes().chain(element.bytes());
    let hash = octets
        .fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet.to_ascii_lowercase())).wrapping_mul(0x0100_0193));
    (hash % 90 + 10).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_a_variant_for_each_choice_of_optional_parts() {
        assert_eq!(variants("a.{b}.c"), ["a.{b}.c"]);
        assert_eq!(variants("{a}{-b}.{c.}d"), ["{a}-{b}.{c}.d", "{a}.{c}.d", "{a}-{b}.d", "{a}.d"]);
        assert_eq!(variants("{a}{.b}.c"), ["{a}.{b}.c", "{a}.c"]);
    }

    #[test]
    fn the_number_of_a_name_does_not_depend_on_letter_case() {
        assert_eq!(number("contoso", ""), number("CONTOSO", ""));
        assert_ne!(number("contoso", "one"), number("contoso", "two"));
    }
}
