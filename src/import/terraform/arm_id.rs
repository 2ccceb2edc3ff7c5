//! Resource IDs of Azure Resource Manager, as text.

/// Placeholder for a subscription that is unknown before apply.
pub(super) const UNKNOWN_SUBSCRIPTION: &str = "<unknown>";
/// Placeholder for a resource group that is unknown before apply and is not a resource of the plan.
pub(super) const UNKNOWN_GROUP: &str = "<known after apply>";

/// Placeholder for a name that is unknown before apply.
pub(super) fn stand_in(address: &str) -> String {
    format!("<{}>", address.replace('/', "_"))
}

/// The type in an ID: what follows its last `/providers/`, without the names. `None` if the text is not a resource ID.
pub(super) fn kind(id: &str) -> Option<String> {
    let lower = id.to_ascii_lowercase();
    if !lower.starts_with("/subscriptions/") {
        return None;
    }
    let at = lower.rfind("/providers/")? + "/providers/".len();
    let mut segments = id[at..].split('/');
    let mut kind = segments.next().filter(|namespace| !namespace.is_empty())?.to_owned();
    loop {
        match (segments.next(), segments.next()) {
            (Some(part), Some(name)) if !part.is_empty() && !name.is_empty() => {
                kind.push('/');
                kind.push_str(part);
            }
            (None, None) if kind.contains('/') => return Some(kind),
            _ => return None,
        }
    }
}

/// The subscription in an ID.
pub(super) fn subscription(id: &str) -> Option<&str> {
    let mut segments = id.split('/').skip(1);
    segments.next().filter(|word| word.eq_ignore_ascii_case("subscriptions"))?;
    segments.next().filter(|name| !name.is_empty())
}

/// The ID of a resource in a resource group.
pub(super) fn in_group(subscription: &str, group: &str, kind: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_id_is_its_last_providers_without_names() {
        let zone = in_group("s", "g", "Microsoft.Network/privateDnsZones", "corp.example");
        assert_eq!(kind(&zone).as_deref(), Some("Microsoft.Network/privateDnsZones"));
        assert_eq!(kind(&format!("{zone}/A/www")).as_deref(), Some("Microsoft.Network/privateDnsZones/A"));
        assert_eq!(kind(&zone.to_uppercase()).as_deref(), Some("MICROSOFT.NETWORK/PRIVATEDNSZONES"));
        let extension = format!("{zone}/providers/Microsoft.Authorization/locks/l");
        assert_eq!(kind(&extension).as_deref(), Some("Microsoft.Authorization/locks"));
        let whole =
            [&zone[..zone.len() - "corp.example".len()], "/subscriptions/s", "/subscriptions/s/resourceGroups/g"];
        for id in whole.into_iter().chain(["", "x", "/providers/Microsoft.Network/x/y", "/subscriptions/s/providers/N"])
        {
            assert_eq!(kind(id), None, "{id}");
        }
        assert_eq!(subscription(&zone), Some("s"));
    }
}
