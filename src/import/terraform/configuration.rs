//! The configuration within a plan: the instances that an expression refers to.
//!
//! Of an expression, Terraform prints only the names that it refers to, and after a long name also its prefixes:
//! `azurerm_subnet.this["a"].id`, `azurerm_subnet.this["a"]`, `azurerm_subnet.this`. Expressions of local values are not printed.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::instance::{Instance, elements};

/// Most names followed for one expression.
const MAX_NAMES: usize = 10_000;
/// Most modules and iterations through which a name is followed.
const MAX_DEPTH: usize = 64;
/// Most instances that one expression may refer to; with more it is ambiguous.
const MAX_TARGETS: usize = 100;

/// Resources of a configuration, and the instances that a plan has of them.
pub(super) struct Configuration<'a> {
    root: &'a Value,
    /// By module names, joined by dots, and the address within the module.
    resources: HashMap<(String, &'a str), &'a Value>,
    /// Instances by the address of their module instance and their address within it.
    instances: HashMap<(String, String), Keyed<usize>>,
    /// Addresses of a module's instances, by the address of the calling module and the name of the call.
    modules: HashMap<(String, String), Keyed<String>>,
}

/// Instances of one resource or module, each with the key of `for_each` or `count` as written in brackets.
struct Keyed<T> {
    all: Vec<T>,
    by_key: HashMap<Option<String>, usize>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_key: HashMap::new() }
    }
}

impl<T> Keyed<T> {
    /// Adds an instance; false if the key is taken.
    fn add(&mut self, key: Option<String>, instance: T) -> bool {
        let number = self.all.len();
        let is_new = *self.by_key.entry(key).or_insert(number) == number;
        if is_new {
            self.all.push(instance);
        }
        is_new
    }

    /// The instance with the given key, otherwise the one with the referring instance's own key, otherwise all.
    fn chosen(&self, written: Option<&str>, own: Option<&str>) -> &[T] {
        let with = |key: &str| self.by_key.get(&Some(key.to_owned())).map(|at| &self.all[*at..=*at]);
        match (written, own.and_then(with)) {
            (Some(written), _) => with(written).unwrap_or_default(),
            (None, Some(own)) => own,
            (None, None) => &self.all,
        }
    }
}

/// The context of an expression.
struct Site<'a> {
    /// Address of the module instance.
    module: String,
    /// The key of the instance that the expression belongs to, as written in brackets.
    key: Option<String>,
    /// The expression of its `for_each`.
    each: &'a Value,
}

struct Search<'a> {
    seen: HashSet<(String, &'a str)>,
    found: Vec<usize>,
}

impl<'a> Configuration<'a> {
    pub(super) fn new(configuration: &'a Value, instances: &[Instance<'a>]) -> Self {
        let mut this = Self {
            root: &configuration["root_module"],
            resources: HashMap::new(),
            instances: HashMap::new(),
            modules: HashMap::new(),
        };
        this.add_resources(this.root, String::new());
        for (at, instance) in instances.iter().enumerate() {
            let data = if instance.managed { "" } else { "data." };
            let resource = format!("{data}{}.{}", instance.kind, instance.name);
            let of_resource = this.instances.entry((instance.module.to_string(), resource)).or_default();
            of_resource.add(instance.key.map(Value::to_string), at);
            let mut module = instance.module.as_ref();
            while let Some((caller, call, key)) = last_call(module) {
                let of_call = this.modules.entry((caller.to_owned(), call.to_owned())).or_default();
                if !of_call.add(key.map(str::to_owned), module.to_owned()) {
                    break;
                }
                module = caller;
            }
        }
        this
    }

    fn add_resources(&mut self, module: &'a Value, path: String) {
        for resource in elements(&module["resources"]) {
            if let Some(address) = resource["address"].as_str() {
                self.resources.insert((path.clone(), address), resource);
            }
        }
        for (name, call) in module["module_calls"].as_object().into_iter().flatten() {
            let dot = if path.is_empty() { "" } else { "." };
            self.add_resources(&call["module"], format!("{path}{dot}{name}"));
        }
    }

    /// The configuration of an instance's resource.
    pub(super) fn resource(&self, instance: &Instance<'_>) -> Option<&'a Value> {
        let mut path = Vec::new();
        let mut module = instance.module.as_ref();
        while let Some((caller, call, _)) = last_call(module) {
            path.push(call);
            module = caller;
        }
        path.reverse();
        let data = if instance.managed { "" } else { "data." };
        let address = format!("{data}{}.{}", instance.kind, instance.name);
        self.resources.get(&(path.join("."), address.as_str())).copied()
    }

    /// The instances that an expression of an instance refers to; none twice.
    pub(super) fn targets(&self, instance: &Instance<'a>, expression: &'a Value) -> Vec<usize> {
        let Some(resource) = self.resource(instance) else { return Vec::new() };
        let site = Site {
            module: instance.module.to_string(),
            key: instance.key.map(Value::to_string),
            each: &resource["for_each_expression"],
        };
        let mut search = Search { seen: HashSet::new(), found: Vec::new() };
        self.follow(&site, expression, 0, &mut search);
        search.found.sort_unstable();
        search.found.dedup();
        if search.found.len() > MAX_TARGETS { Vec::new() } else { search.found }
    }

    fn follow(&self, site: &Site<'a>, expression: &'a Value, depth: usize, search: &mut Search<'a>) {
        if depth > MAX_DEPTH {
            return;
        }
        let mut longer: &str = "";
        for name in elements(&expression["references"]).filter_map(Value::as_str) {
            let is_beginning = longer.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']));
            if is_beginning || search.seen.len() >= MAX_NAMES {
                continue;
            }
            longer = name;
            if search.seen.insert((site.module.clone(), name)) {
                self.follow_name(site, name, depth, search);
            }
        }
    }

    fn follow_name(&self, site: &Site<'a>, name: &str, depth: usize, search: &mut Search<'a>) {
        let steps = steps(name);
        let step = |at: usize| steps.get(at).copied().unwrap_or_default();
        match step(0).0 {
            "each" if step(1).0 == "value" => self.follow(site, site.each, depth + 1, search),
            "each" | "count" | "local" | "path" | "self" | "terraform" => {}
            "var" => {
                let Some((caller, call, key)) = last_call(&site.module) else { return };
                let call = &self.module(caller)["module_calls"][call];
                let key = key.map(str::to_owned);
                let site = Site { module: caller.to_owned(), key, each: &call["for_each_expression"] };
                self.follow(&site, &call["expressions"][step(1).0], depth + 1, search);
            }
            "module" => {
                let (call, key) = step(1);
                let Some(modules) = self.modules.get(&(site.module.clone(), call.to_owned())) else { return };
                for module in modules.chosen(key, site.key.as_deref()).iter().take(MAX_TARGETS + 1) {
                    let outputs = &self.module(module)["outputs"];
                    let site = Site { module: module.clone(), key: None, each: &Value::Null };
                    match steps.get(2) {
                        Some((output, _)) => self.follow(&site, &outputs[*output]["expression"], depth + 1, search),
                        // For `module.network[each.key].id`, what follows the brackets is not printed.
                        None => {
                            for output in outputs.as_object().into_iter().flatten() {
                                self.follow(&site, &output.1["expression"], depth + 1, search);
                            }
                        }
                    }
                }
            }
            first => {
                let data = first == "data";
                let (kind, (name, key)) = if data { (step(1).0, step(2)) } else { (first, step(1)) };
                let resource = format!("{}{kind}.{name}", if data { "data." } else { "" });
                let Some(instances) = self.instances.get(&(site.module.clone(), resource)) else { return };
                let room = (MAX_TARGETS + 1).saturating_sub(search.found.len());
                search.found.extend(instances.chosen(key, site.key.as_deref()).iter().take(room));
            }
        }
    }

    /// The configuration of the module with an instance's address.
    fn module(&self, address: &str) -> &'a Value {
        let steps = steps(address);
        let calls = steps.iter().skip(1).step_by(2);
        calls.fold(self.root, |module, (call, _)| &module["module_calls"][*call]["module"])
    }
}

/// The parts of an address between dots, each with its brackets. Dots and brackets within a quoted key belong to the key.
fn steps(address: &str) -> Vec<(&str, Option<&str>)> {
    let mut steps = Vec::new();
    let mut rest = address;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, mut behind) = rest.split_at(end);
        let mut key = None;
        while let Some(inner) = behind.strip_prefix('[') {
            let end = bracket_end(inner);
            key = key.or(Some(&inner[..end]));
            behind = inner.get(end + 1..).unwrap_or_default();
        }
        steps.push((name, key));
        rest = behind.strip_prefix('.').unwrap_or_default();
    }
    steps
}

/// The position of the closing bracket.
fn bracket_end(inner: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return at,
            _ => {}
        }
    }
    inner.len()
}

/// Splits a module's address into the calling module's address, the name of the call, and the instance key; `None` for the root
/// module.
fn last_call(module: &str) -> Option<(&str, &str, Option<&str>)> {
    let (call, key) = steps(module).pop()?;
    let key_length = key.map_or(0, |key| key.len() + 2);
    let length = "module.".len() + call.len() + key_length;
    let caller = module.get(..module.len().checked_sub(length)?)?;
    Some((caller.strip_suffix('.').unwrap_or(caller), call, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_brackets_in_a_quoted_key_are_the_key_s() {
        let address = r#"module.zone["a.b"].module.x[0].azurerm_subnet.y["c[\"]\"]"].id"#;
        let expected = [
            ("module", None),
            ("zone", Some(r#""a.b""#)),
            ("module", None),
            ("x", Some("0")),
            ("azurerm_subnet", None),
            ("y", Some(r#""c[\"]\"]""#)),
            ("id", None),
        ];
        assert_eq!(steps(address), expected);
        let module = r#"module.zone["a.b"].module.x[0]"#;
        assert_eq!(last_call(module), Some((r#"module.zone["a.b"]"#, "x", Some("0"))));
        assert_eq!(last_call(r#"module.zone["a.b"]"#), Some(("", "zone", Some(r#""a.b""#))));
        assert_eq!(last_call(""), None);
        for broken in ["module", "x", "[", "a[", "a[\"", ".", "..", "module.a]", "a[0", "a[[]]b"] {
            let _ = (steps(broken), last_call(broken));
        }
    }
}
