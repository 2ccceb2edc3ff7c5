//! Checks the names of Private Link resources (Microsoft Learn, "Naming rules and restrictions for Azure resources"). A name that
//! is too short is only a warning: it works in DNS, and labs like short names.

use std::ops::RangeInclusive;

use crate::azure::declaration::{Limits, PrivateLinkResource};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;

use super::limits::OFF;

/// The rule for resources of a type.
struct NameRule {
    resource_type: &'static str,
    length: RangeInclusive<usize>,
    letters: Letters,
    /// Allowed characters besides letters and digits.
    signs: &'static str,
    first: End,
    last: End,
    has_double_hyphens: bool,
    /// Azure's message, if it is known, with `{name}` for the name.
    words: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq)]
enum Letters {
    Lower,
    Any,
}

/// What a name may begin or end with.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Letter,
    LetterOrDigit,
    Any,
}

/// Azure's message: azure-cli issue 10020, AzureMonitorStarterPacks issue 171.
const OF_STORAGE: &str = "{name} is not a valid storage account name. Storage account name must be between 3 and 24 \
                          characters in length and use numbers and lower-case letters only.\" (AccountNameInvalid)";
/// Azure's message: AI-in-a-Box issue 104.
const OF_VAULTS: &str = "The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The \
                         name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.\" \
                         (VaultNameNotValid)";

const fn rule(resource_type: &'static str, length: RangeInclusive<usize>, letters: Letters) -> NameRule {
    let (first, last) = (End::LetterOrDigit, End::LetterOrDigit);
    NameRule { resource_type, length, letters, signs: "-", first, last, has_double_hyphens: true, words: None }
}

const fn without_signs(rule: NameRule) -> NameRule {
    NameRule { signs: "", ..rule }
}

const fn from_letter(rule: NameRule) -> NameRule {
    NameRule { first: End::Letter, ..rule }
}

const fn to_anything(rule: NameRule) -> NameRule {
    NameRule { last: End::Any, ..rule }
}

const fn without_double_hyphens(rule: NameRule) -> NameRule {
    NameRule { has_double_hyphens: false, ..rule }
}

const fn in_words(rule: NameRule, words: &'static str) -> NameRule {
    NameRule { words: Some(words), ..rule }
}

const RULES: [NameRule; 30] = {
    use Letters::{Any, Lower};
    [
        rule("Microsoft.ApiManagement/service", 1..=50, Any),
        to_anything(NameRule {
            signs: "-_",
            first: End::Any,
            ..rule("Microsoft.AppConfiguration/configurationStores", 5..=50, Any)
        }),
        without_signs(rule("Microsoft.Batch/batchAccounts", 3..=24, Lower)),
        without_double_hyphens(rule("Microsoft.Cache/Redis", 1..=63, Any)),
        rule("Microsoft.CognitiveServices/accounts", 2..=64, Any),
        without_signs(rule("Microsoft.ContainerRegistry/registries", 5..=50, Any)),
        rule("Microsoft.DataFactory/factories", 3..=63, Any),
        rule("Microsoft.DBforMariaDB/servers", 3..=63, Lower),
        rule("Microsoft.DBforMySQL/servers", 3..=63, Lower),
        rule("Microsoft.DBforMySQL/flexibleServers", 3..=63, Lower),
        rule("Microsoft.DBforPostgreSQL/servers", 3..=63, Lower),
        rule("Microsoft.DBforPostgreSQL/flexibleServers", 3..=63, Lower),
        NameRule { first: End::Any, ..rule("Microsoft.Devices/IotHubs", 3..=50, Any) },
        NameRule { first: End::Any, ..rule("Microsoft.Devices/ProvisioningServices", 3..=64, Any) },
        to_anything(rule("Microsoft.DocumentDB/databaseAccounts", 3..=44, Lower)),
        to_anything(NameRule { first: End::Any, ..rule("Microsoft.EventGrid/domains", 3..=50, Any) }),
        to_anything(NameRule { first: End::Any, ..rule("Microsoft.EventGrid/topics", 3..=50, Any) }),
        from_letter(rule("Microsoft.EventHub/namespaces", 6..=50, Any)),
        rule("Microsoft.HDInsight/clusters", 3..=59, Any),
        to_anything(rule("Microsoft.IoTCentral/IoTApps", 2..=63, Lower)),
        in_words(from_letter(without_double_hyphens(rule("Microsoft.KeyVault/vaults", 3..=24, Any))), OF_VAULTS),
        from_letter(without_signs(rule("Microsoft.Kusto/clusters", 4..=22, Lower))),
        without_signs(rule("Microsoft.Media/mediaservices", 3..=24, Lower)),
        from_letter(rule("Microsoft.Relay/namespaces", 6..=50, Any)),
        from_letter(rule("Microsoft.ServiceBus/namespaces", 6..=50, Any)),
        from_letter(rule("Microsoft.SignalRService/SignalR", 3..=63, Any)),
        rule("Microsoft.Sql/managedInstances", 1..=63, Lower),
        rule("Microsoft.Sql/servers", 1..=63, Lower),
        in_words(without_signs(rule("Microsoft.Storage/storageAccounts", 3..=24, Lower)), OF_STORAGE),
        rule("Microsoft.Web/sites", 2..=60, Any),
    ]
};

/// Checks the name of a resource.
pub(super) fn check(inventory: &Inventory, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
    let is_it = |rule: &&NameRule| rule.resource_type.eq_ignore_ascii_case(resource.resource_type());
    let Some(rule) = RULES.iter().find(is_it).filter(|_| inventory.limits != Limits::Off) else { return };
    let name = resource.id.name();
    let length = name.chars().count();
    let is_short = length < *rule.length.start();
    if rule.allows(name) && rule.length.contains(&length) {
        return;
    }
    let resource_type = resource.resource_type();
    if is_short && rule.allows(name) {
        let what = format!("\"{name}\" is shorter than Azure lets a resource of type \"{resource_type}\" be called");
        findings.push(Finding::new(Code::ShortName, resource.id.origin, what, format!("write {rule}")));
        return;
    }
    let words = rule.words.map(|words| format!("; Azure refuses this: \"{}", words.replace("{name}", name)));
    let words = words.unwrap_or_default();
    let what = format!("\"{name}\" is no name of a resource of type \"{resource_type}\"{words}");
    findings.push(Finding::new(Code::RefusedName, resource.id.origin, what, format!("write {rule}, {OFF}")));
}

impl NameRule {
    fn allows(&self, name: &str) -> bool {
        let is_letter = |letter: char| match self.letters {
            Letters::Lower => letter.is_ascii_lowercase(),
            Letters::Any => letter.is_ascii_alphabetic(),
        };
        let is_end = |end: End, letter: Option<char>| match end {
            End::Any => true,
            End::Letter => letter.is_some_and(is_letter),
            End::LetterOrDigit => letter.is_some_and(|letter| is_letter(letter) || letter.is_ascii_digit()),
        };
        let is_allowed = |letter: char| is_letter(letter) || letter.is_ascii_digit() || self.signs.contains(letter);
        name.chars().all(is_allowed)
            && is_end(self.first, name.chars().next())
            && is_end(self.last, name.chars().next_back())
            && (self.has_double_hyphens || !name.contains("--"))
    }
}

impl std::fmt::Display for NameRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, most) = (self.length.start(), self.length.end());
        let letters = if self.letters == Letters::Lower { "lower-case letters" } else { "letters" };
        match self.signs {
            "" => write!(f, "{least} to {most} {letters} and digits")?,
            "-" => write!(f, "{least} to {most} {letters}, digits and hyphens")?,
            _ => write!(f, "{least} to {most} {letters}, digits, hyphens and underscores")?,
        }
        match (self.first, self.last) {
            (End::Letter, End::LetterOrDigit) if self.signs.is_empty() => f.write_str(", a letter first")?,
            (End::Letter, _) => f.write_str(", a letter first and no hyphen last")?,
            (End::LetterOrDigit, End::LetterOrDigit) if !self.signs.is_empty() => {
                f.write_str(", no hyphen first or last")?;
            }
            (End::LetterOrDigit, End::Any) => f.write_str(", no hyphen first")?,
            (End::Any, End::LetterOrDigit) => f.write_str(", no hyphen last")?,
            _ => {}
        }
        if !self.has_double_hyphens {
            f.write_str(", none beside another")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the service's own pages give as names, and what they exclude.
    #[test]
    fn each_rule_is_that_of_its_page() {
        for (resource_type, name, is_allowed) in [
            ("Microsoft.Storage/storageAccounts", "contoso1", true),
            ("Microsoft.Storage/storageAccounts", "Contoso", false),
            ("Microsoft.Storage/storageAccounts", "con_toso", false),
            ("Microsoft.Storage/storageAccounts", "con-toso", false),
            ("Microsoft.KeyVault/vaults", "Contoso-vault2", true),
            ("Microsoft.KeyVault/vaults", "2contoso", false),
            ("Microsoft.KeyVault/vaults", "gpt-kv-", false),
            ("Microsoft.KeyVault/vaults", "a--b", false),
            ("Microsoft.ContainerRegistry/registries", "myRegistry", true),
            ("Microsoft.ContainerRegistry/registries", "my-registry", false),
            ("Microsoft.Kusto/clusters", "4cluster", false),
            ("Microsoft.Kusto/clusters", "cluster4", true),
            ("Microsoft.Sql/servers", "a--b", true),
            ("Microsoft.Sql/servers", "-a", false),
            ("Microsoft.AppConfiguration/configurationStores", "_store-", true),
            ("Microsoft.Cache/Redis", "a--b", false),
            ("Microsoft.EventHub/namespaces", "2-hubs", false),
            ("Microsoft.Devices/IotHubs", "-hub", true),
            ("Microsoft.Devices/IotHubs", "hub-", false),
        ] {
            let rule = RULES.iter().find(|rule| rule.resource_type == resource_type).unwrap();
            assert_eq!(rule.allows(name), is_allowed, "{resource_type} {name}");
        }
    }
}
