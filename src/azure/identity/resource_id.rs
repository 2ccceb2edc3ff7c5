//! Resource IDs of Azure Resource Manager:
//! `/subscriptions/{guid}/resourceGroups/{group}/providers/{namespace}/{type}/{name}[/{type}/{name}…]`.
//!
//! IDs are compared without regard to letter case, and printed in their original letter case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The GUID of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription(Box<str>);

/// A resource group of a subscription. Cheap to clone.
#[derive(Clone)]
pub struct ResourceGroup(Arc<Group>);

struct Group {
    subscription: Subscription,
    name: Box<str>,
}

/// The identity of a resource. Cheap to clone, to compare and to hash.
#[derive(Clone)]
pub struct ResourceId(Arc<Identity>);

struct Identity {
    group: ResourceGroup,
    /// Namespace and types: one word more than there are names.
    resource_type: Box<str>,
    /// Names from parent to child, separated by slashes.
    names: Box<str>,
    /// The whole ID in lower case, for comparison.
    folded: Box<str>,
    /// Of `folded`.
    hash: u64,
}

/// Why a text is not a resource ID, or a word cannot be part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceIdError {
    /// The text does not begin with `/subscriptions/`.
    #[error("it does not begin with /subscriptions/")]
    NoSubscription,
    /// The subscription is not a GUID.
    #[error("\"{0}\" is not a GUID")]
    BadSubscription(String),
    /// `/resourceGroups/` does not follow the subscription.
    #[error("/resourceGroups/ does not follow the subscription")]
    NoResourceGroup,
    /// `/providers/` does not follow the resource group.
    #[error("/providers/ does not follow the resource group")]
    NoProvider,
    /// A type without a name is left at the end.
    #[error("no name follows the type \"{0}\"")]
    NoName(String),
    /// There is no type after the namespace.
    #[error("no type follows the namespace \"{0}\"")]
    NoType(String),
    /// A part is empty.
    #[error("a part is empty")]
    Empty,
    /// A part contains a slash or a control character.
    #[error("\"{0}\" has a slash or a control character in it")]
    BadName(String),
    /// It is the ID of an extension resource.
    #[error("it has /providers/ twice: resources that extend others are not known here")]
    Extension,
}

impl Subscription {
    /// The subscription of resources that do not name one.
    pub const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
}

impl Default for Subscription {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for Subscription {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, ResourceIdError> {
        let mut parts = text.split('-');
        let is_part =
            |len: usize| move |part: &str| part.len() == len && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_guid = [8, 4, 4, 4, 12].into_iter().all(|len| parts.next().is_some_and(is_part(len)));
        match is_guid && parts.next().is_none() {
            true => Ok(Self(text.into())),
            false => Err(ResourceIdError::BadSubscription(text.to_owned())),
        }
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ResourceGroup {
    /// The resource group of resources that do not name one.
    pub const DEFAULT: &str = "default";

    /// A resource group.
    ///
    /// # Errors
    /// If the name is empty, or contains a slash or a control character.
    pub fn new(subscription: Subscription, name: &str) -> Result<Self, ResourceIdError> {
        word(name)?;
        Ok(Self(Arc::new(Group { subscription, name: name.into() })))
    }

    /// Its subscription.
    pub fn subscription(&self) -> &Subscription {
        &self.0.subscription
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether both are equal, including letter case.
    pub(in crate::azure) fn is_spelled_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.subscription == other.0.subscription && self.0.name == other.0.name
    }

    /// The identity of a resource in the group. `resource_type` is a namespace and a type, such as
    /// `Microsoft.Network/virtualNetworks`; with further types, as in `Microsoft.Sql/servers/databases`, `name` has as many
    /// names, separated by slashes.
    ///
    /// # Errors
    /// If the numbers of names and types differ, or a name is empty or contains a control character.
    pub fn resource(&self, resource_type: &str, name: &str) -> Result<ResourceId, ResourceIdError> {
        resource_type.split('/').chain(name.split('/')).try_for_each(word)?;
        let (types, names) = (resource_type.split('/').count() - 1, name.split('/').count());
        match types.cmp(&names) {
            _ if types == 0 => Err(ResourceIdError::NoType(resource_type.to_owned())),
            Ordering::Less => Err(ResourceIdError::BadName(name.to_owned())),
            Ordering::Equal => Ok(ResourceId::of(self.clone(), resource_type.into(), name.into())),
            Ordering::Greater => Err(ResourceIdError::NoName(last(resource_type).to_owned())),
        }
    }
}

impl Default for ResourceGroup {
    fn default() -> Self {
        Self::new(Subscription::default(), Self::DEFAULT).expect("a constant")
    }
}

impl PartialEq for ResourceGroup {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || fold(&self.0.subscription.0) == fold(&other.0.subscription.0)
                && fold(&self.0.name) == fold(&other.0.name)
    }
}

impl Eq for ResourceGroup {}

impl Hash for ResourceGroup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        fold(&self.0.name).hash(state);
    }
}

impl fmt::Debug for ResourceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.subscription, self.0.name)
    }
}

impl ResourceId {
    fn of(group: ResourceGroup, resource_type: Box<str>, names: Box<str>) -> Self {
        let mut identity = Identity { group, resource_type, names, folded: Box::default(), hash: 0 };
        identity.folded = fold(&identity.to_string()).into();
        identity.hash = foldhash::fast::FixedState::default().hash_one(&*identity.folded);
        Self(Arc::new(identity))
    }

    /// The identity of a child resource, such as a link of a zone.
    ///
    /// # Errors
    /// If the name is empty, or contains a slash or a control character.
    pub fn child(&self, child_type: &str, name: &str) -> Result<Self, ResourceIdError> {
        word(child_type)?;
        word(name)?;
        let resource_type = format!("{}/{child_type}", self.resource_type());
        Ok(Self::of(self.resource_group().clone(), resource_type.into(), format!("{}/{name}", self.names()).into()))
    }

    /// The parent of a child resource.
    pub fn parent(&self) -> Option<Self> {
        let (names, _) = self.names().rsplit_once('/')?;
        let (resource_type, _) = self.resource_type().rsplit_once('/')?;
        Some(Self::of(self.resource_group().clone(), resource_type.into(), names.into()))
    }

    /// Whether both are equal, including letter case.
    pub(in crate::azure) fn is_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether both are equal, including letter case.
    pub(in crate::azure) fn is_spelled_as(&self, other: &Self) -> bool {
        self.is_one_with(other)
            || self.0.resource_type == other.0.resource_type
                && self.0.names == other.0.names
                && self.resource_group().is_spelled_as(other.resource_group())
    }

    /// Its resource group.
    pub fn resource_group(&self) -> &ResourceGroup {
        &self.0.group
    }

    /// Namespace and types, such as `Microsoft.Network/privateDnsZones/virtualNetworkLinks`.
    pub fn resource_type(&self) -> &str {
        &self.0.resource_type
    }

    /// Names from parent to child, separated by slashes.
    pub fn names(&self) -> &str {
        &self.0.names
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        last(&self.0.names)
    }

    /// `GROUP/NAME`. Another subscription may have the same pair: see [`Directory::qualified`](super::Directory::qualified).
    pub fn group_and_names(&self) -> String {
        format!("{}/{}", self.resource_group().name(), self.names())
    }

    /// Whether a reference means it: its name, `GROUP/NAME` or the whole ID, in whatever letters.
    pub fn is_called(&self, reference: &str) -> bool {
        let is_it = |own: &str| own.eq_ignore_ascii_case(reference);
        is_it(self.names()) || is_it(&self.group_and_names()) || is_it(&self.to_string())
    }

    /// Whether it is of a type, without regard to letter case.
    pub fn is_of_type(&self, resource_type: &str) -> bool {
        self.0.resource_type.eq_ignore_ascii_case(resource_type)
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, ResourceIdError> {
        let text = text.strip_prefix('/').ok_or(ResourceIdError::NoSubscription)?;
        let mut parts = text.split('/');
        let mut behind = |fixed: &str, error: ResourceIdError| match parts.next() {
            Some(part) if part.eq_ignore_ascii_case(fixed) => Ok(parts.next().unwrap_or_default()),
            _ => Err(error),
        };
        let subscription = behind("subscriptions", ResourceIdError::NoSubscription)?.parse()?;
        let group = behind("resourceGroups", ResourceIdError::NoResourceGroup)?;
        let group = ResourceGroup::new(subscription, group)?;
        let namespace = behind("providers", ResourceIdError::NoProvider)?;
        word(namespace)?;
        let (mut resource_type, mut names) = (namespace.to_owned(), String::new());
        while let Some(child_type) = parts.next() {
            if child_type.eq_ignore_ascii_case("providers") {
                return Err(ResourceIdError::Extension);
            }
            word(child_type)?;
            let name = parts.next().ok_or_else(|| ResourceIdError::NoName(child_type.to_owned()))?;
            word(name)?;
            resource_type.extend(["/", child_type]);
            if !names.is_empty() {
                names.push('/');
            }
            names.push_str(name);
        }
        match names.is_empty() {
            true => Err(ResourceIdError::NoType(namespace.to_owned())),
            false => Ok(Self::of(group, resource_type.into(), names.into())),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { subscription, name } = &*self.group.0;
        let mut types = self.resource_type.split('/');
        let namespace = types.next().unwrap_or_default();
        write!(f, "/subscriptions/{subscription}/resourceGroups/{name}/providers/{namespace}")?;
        types.zip(self.names.split('/')).try_for_each(|(child_type, name)| write!(f, "/{child_type}/{name}"))
    }
}

/// The whole ID.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.hash == other.0.hash && self.0.folded == other.0.folded
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By subscription, resource group, type and name, without regard to letter case.
impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.folded.cmp(&other.0.folded)
    }
}

/// The form of a word for comparison.
pub(super) fn fold(word: &str) -> String {
    word.to_lowercase()
}

/// Refuses what cannot be a segment of an ID.
fn word(word: &str) -> Result<(), ResourceIdError> {
    if word.trim().is_empty() {
        return Err(ResourceIdError::Empty);
    }
    match word.chars().any(|character| character == '/' || character.is_control()) {
        true => Err(ResourceIdError::BadName(word.to_owned())),
        false => Ok(()),
    }
}

fn last(words: &str) -> &str {
    words.rsplit('/').next().unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINK: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-DNS/providers/\
                        Microsoft.Network/privateDnsZones/corp.test/virtualNetworkLinks/To-Hub";

    #[test]
    fn an_id_is_read_and_printed_in_its_own_letters() {
        let link: ResourceId = LINK.parse().unwrap();
        assert_eq!(link.to_string(), LINK);
        assert_eq!(link.resource_group().name(), "rg-DNS");
        assert_eq!(link.resource_group().subscription().to_string(), "0b1f6471-1bf0-4dda-aec3-cb9272f09590");
        assert_eq!(link.resource_type(), "Microsoft.Network/privateDnsZones/virtualNetworkLinks");
        assert_eq!((link.names(), link.name()), ("corp.test/To-Hub", "To-Hub"));
        let zone = link.parent().unwrap();
        assert_eq!((zone.resource_type(), zone.names()), ("Microsoft.Network/privateDnsZones", "corp.test"));
        assert_eq!(zone.parent(), None);
        assert_eq!(zone.child("virtualNetworkLinks", "TO-hub").unwrap(), link);
        assert_eq!(zone.resource_group().resource("microsoft.network/PrivateDnsZones", "CORP.test").unwrap(), zone);
    }

    #[test]
    fn the_words_between_the_names_have_one_spelling() {
        let lower: ResourceId = LINK.to_lowercase().parse().unwrap();
        assert!(lower.to_string().contains("/resourceGroups/rg-dns/providers/microsoft.network/"), "{lower}");
    }

    #[test]
    fn what_is_no_id_is_told_by_what_is_wrong_with_it() {
        const S: &str = "/subscriptions/00000000-0000-0000-0000-000000000000";
        let check = |text: &str, expected: ResourceIdError| {
            assert_eq!(text.parse::<ResourceId>(), Err(expected), "{text}");
        };
        for text in ["", "/", "vnet-a", "rg/vnet-a", "subscriptions/x", "/tenants/x"] {
            check(text, ResourceIdError::NoSubscription);
        }
        for guid in ["", "x", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-000000000000-0"] {
            check(&format!("/subscriptions/{guid}"), ResourceIdError::BadSubscription(guid.to_owned()));
        }
        check(S, ResourceIdError::NoResourceGroup);
        check(&format!("{S}/providers/Microsoft.Network"), ResourceIdError::NoResourceGroup);
        check(&format!("{S}/resourceGroups"), ResourceIdError::Empty);
        check(&format!("{S}/resourceGroups/g"), ResourceIdError::NoProvider);
        check(&format!("{S}/resourceGroups//providers/N/t/n"), ResourceIdError::Empty);
        check(&format!("{S}/resourceGroups/g/providers/N"), ResourceIdError::NoType("N".to_owned()));
        check(&format!("{S}/resourceGroups/g/providers/N/t"), ResourceIdError::NoName("t".to_owned()));
        check(&format!("{S}/resourceGroups/g/providers/N/t/n/u"), ResourceIdError::NoName("u".to_owned()));
        check(&format!("{S}/resourceGroups/g/providers/N/t/n/"), ResourceIdError::Empty);
        check(&format!("{S}/resourceGroups/g/providers/N/t/n/providers/M/u/m"), ResourceIdError::Extension);
        let with_newline = "a\nb".to_owned();
        check(&format!("{S}/resourceGroups/g/providers/N/t/{with_newline}"), ResourceIdError::BadName(with_newline));
    }

    #[test]
    fn there_are_as_many_names_as_types() {
        let group = ResourceGroup::default();
        assert!(group.resource("Microsoft.Sql/servers/databases", "srv/db").is_ok());
        assert_eq!(group.resource("Microsoft.Sql", "srv"), Err(ResourceIdError::NoType("Microsoft.Sql".to_owned())));
        assert_eq!(group.resource("M.Sql/servers", "a/b"), Err(ResourceIdError::BadName("a/b".to_owned())));
        assert_eq!(group.resource("M.Sql/servers/dbs", "a"), Err(ResourceIdError::NoName("dbs".to_owned())));
    }

    fn words() -> impl Strategy<Value = String> {
        "[^/\\pC\\s]([^/\\pC]{0,8}[^/\\pC\\s])?"
    }

    /// Letters of ASCII in the other case.
    fn swapped(text: &str) -> String {
        let swap = |letter: char| match letter {
            letter if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
            letter => letter.to_ascii_lowercase(),
        };
        text.chars().map(swap).collect()
    }

    fn ids() -> impl Strategy<Value = ResourceId> {
        let types =
            "[A-Za-z]{1,9}".prop_filter("no type has that name", |word| !word.eq_ignore_ascii_case("providers"));
        let pairs = proptest::collection::vec((types, words()), 1..4);
        (any::<u128>(), words(), "[A-Z][a-z]{1,5}\\.[A-Z][a-z]{1,5}", pairs).prop_map(
            |(guid, group, namespace, pairs)| {
                let hex = format!("{guid:032x}");
                let guid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
                let (types, names): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                let group = ResourceGroup::new(guid.parse().unwrap(), &group).unwrap();
                group.resource(&format!("{namespace}/{}", types.join("/")), &names.join("/")).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(id in ids()) {
            let again: ResourceId = id.to_string().parse().unwrap();
            prop_assert_eq!(again.to_string(), id.to_string());
            prop_assert_eq!((again.resource_type(), again.names()), (id.resource_type(), id.names()));
            prop_assert_eq!(again, id);
        }

        #[test]
        fn letter_case_never_matters(id in ids()) {
            let other: ResourceId = swapped(&id.to_string()).parse().unwrap();
            let hash = |id: &ResourceId| std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(id);
            prop_assert_eq!(hash(&other), hash(&id));
            prop_assert_eq!(other.cmp(&id), Ordering::Equal);
            prop_assert_eq!(other.resource_group(), id.resource_group());
            prop_assert_eq!(other.parent(), id.parent());
            prop_assert_eq!(other, id);
        }

        #[test]
        fn ids_that_differ_in_one_part_are_not_equal(id in ids(), word in words()) {
            let child = id.child("children", &word).unwrap();
            prop_assert_eq!(child.parent(), Some(id.clone()));
            prop_assert_ne!(&child, &id);
            let sibling = id.child("children", &format!("{word}2")).unwrap();
            prop_assert_ne!(sibling, child);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(/subscriptions/00000000-0000-0000-0000-000000000000)?[a-zA-Z/]{0,60}") {
            if let Ok(id) = text.parse::<ResourceId>() {
                prop_assert!(id.to_string().eq_ignore_ascii_case(&text));
            }
        }
    }
}
