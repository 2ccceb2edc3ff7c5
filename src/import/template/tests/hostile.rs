//! Hostile templates are refused quickly, with a clear error.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{options, read, try_read, value_in, why};
use crate::import::why_unknown;

/// Far longer than any of these takes on any machine; without limits they would never finish.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_refers_to_itself_says_so() {
    let made = |expression: &str, rest: Value| {
        let made = value_in(expression.into(), rest);
        why_unknown(&made).unwrap_or_else(|| panic!("{made}")).to_owned()
    };
    let variables = json!({"variables": {"a": "[variables('b')]", "b": "[concat('x', variables('a'))]"}});
    assert!(made("[variables('a')]", variables).contains("variable 'a' refers to itself"));
    let parameters = json!({"parameters": {"p": {"type": "string", "defaultValue": "[parameters('p')]"}}});
    assert!(made("[parameters('p')]", parameters).contains("parameter 'p' refers to itself"));
    let functions = json!({"functions": [{"namespace": "n", "members": {
        "f": {"parameters": [], "output": {"type": "string", "value": "[n.f()]"}},
    }}]});
    assert!(made("[n.f()]", functions).contains("nested more than"));
    assert!(made("[reference('vnet-tailspin').made]", json!({})).contains("refers to itself"));
    let read = read(json!({"resources": [
        {"type": "Microsoft.Network/virtualNetworks", "name": "[reference('b').x]", "properties": {}},
        {"type": "Microsoft.Network/virtualNetworks", "name": "b", "properties": {}},
    ]}));
    assert_eq!((read.resources.len(), read.left_out.len()), (1, 1));
    assert!(read.left_out[0].why.contains("depend"), "{}", read.left_out[0].why);
}

#[test]
fn texts_and_arrays_that_double_are_bounded() {
    let doubling = |first: Value, next: &dyn Fn(usize) -> String| {
        let mut variables = Map::from_iter([("v0".to_owned(), first)]);
        for step in 1..100 {
            variables.insert(format!("v{step}"), next(step - 1).into());
        }
        json!({ "variables": variables })
    };
    let start = Instant::now();
    for (first, next) in [
        (json!("0123456789"), "concat(variables('v#'), variables('v#'))"),
        (json!([1]), "concat(variables('v#'), variables('v#'))"),
        (json!([1]), "createArray(variables('v#'), variables('v#'))"),
        (json!({"a": 1}), "createObject('a', variables('v#'), 'b', variables('v#'))"),
        (json!("ab"), "replace(variables('v#'), 'a', variables('v#'))"),
        (json!("ab"), "format('{0}{0}', variables('v#'))"),
        (json!("ab"), "base64(variables('v#'))"),
    ] {
        let template = doubling(first, &|step| format!("[{}]", next.replace('#', &step.to_string())));
        let made = value_in("[variables('v99')]".into(), template).to_string();
        // Arrays of the unknown value that the first too large one is grow again.
        assert!(made.len() <= 17 << 20, "{next}: {} octets", made.len());
        assert!(made.contains("16 MiB") || made.contains("deep"), "{next}: {made:.200}");
    }
    assert!(start.elapsed() < SOON);
    assert!(why("padLeft('a', 2147483647)").contains("16 MiB"));
}

#[test]
fn copies_of_copies_are_bounded() {
    let start = Instant::now();
    let copied = |name: &str, count: Value, resource: Value| {
        let mut resource = resource;
        resource["copy"] = json!({"name": name, "count": count});
        resource
    };
    let network =
        json!({"type": "Microsoft.Network/virtualNetworks", "name": "[concat('v', copyIndex())]", "properties": {}});
    let made = read(json!({"resources": [copied("c", 801.into(), network.clone())]}));
    assert!(made.left_out[0].why.contains("from 0 to 800"), "{}", made.left_out[0].why);
    let made = read(json!({"resources": [copied("c", 800.into(), network.clone())]}));
    assert_eq!(made.resources.len(), 800);
    let mut inner = copied("c", 800.into(), network);
    for depth in 0..4 {
        inner = copied(
            &format!("d{depth}"),
            800.into(),
            json!({
                "type": "Microsoft.Resources/deployments",
                "name": "[concat('d', copyIndex())]",
                "properties": {"template": {"resources": [inner]}},
            }),
        );
    }
    let refusal = try_read(json!({"resources": [inner]}), &options(json!({}))).expect_err("too many");
    assert!(refusal.0.contains("takes too long"), "{refusal}");
    let mut value = json!("x");
    for depth in 0..6 {
        value = json!({"copy": [{"name": format!("c{depth}"), "count": 800, "input": value}]});
    }
    let refusal = try_read(super::around(value, json!({})), &options(json!({}))).err();
    assert!(refusal.is_some_and(|refusal| refusal.0.contains("takes too long")));
    assert!(start.elapsed() < SOON);
}

#[test]
fn long_and_deep_expressions_are_read_or_refused() {
    let start = Instant::now();
    let many = format!("length(concat({}))", vec!["'abc'"; 100_000].join(","));
    assert_eq!(super::value(&many), json!(300_000));
    assert!(why(&format!("{}'a'{}", "concat(".repeat(100_000), ")".repeat(100_000))).contains("nested more than"));
    assert!(why(&"(".repeat(1_000_000)).contains("is expected"));
    let chain: Map<String, Value> =
        (0..5_000).map(|step| (format!("v{step}"), format!("[variables('v{}')]", step + 1).into())).collect();
    let made = value_in("[variables('v0')]".into(), json!({ "variables": chain }));
    assert!(why_unknown(&made).is_some_and(|why| why.contains("nested more than")), "{made}");
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_lambda_that_is_no_order_still_sorts() {
    assert_eq!(super::value("length(sort(range(0, 1000), lambda('a', 'b', true())))"), json!(1000));
}

/// JSON of the words of templates, in any order and of any type.
fn any_json() -> impl Strategy<Value = Value> {
    let expression = prop::collection::vec(
        prop::sample::select(vec![
            "concat(",
            "parameters('p')",
            "variables('v')",
            "copyIndex(",
            "reference('r')",
            "resourceId(",
            "'a'",
            "'Microsoft.Network/x'",
            "1",
            "-1",
            ")",
            "(",
            ",",
            "[",
            "]",
            ".a",
            "lambda('x',",
            "map(",
            "format('{0}',",
            "if(",
            "union(",
            "json('",
            "'",
            "split(",
            "cidrSubnet('10.0.0.0/8',",
            "substring(",
            "range(0,",
            "resourceGroup()",
            "environment()",
            "é",
            "dateTimeAdd('2020-01-01',",
        ]),
        0..8,
    )
    .prop_map(|parts| format!("[{}]", parts.concat()));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
        expression.prop_map(Value::from),
        prop::sample::select(vec![
            "Microsoft.Network/privateDnsZones",
            "Microsoft.Resources/deployments",
            "inner",
            "a/b",
            "string",
            "/",
            "",
            "#/definitions/v",
        ])
        .prop_map(Value::from),
    ];
    let names = vec![
        "type",
        "name",
        "properties",
        "template",
        "resources",
        "copy",
        "count",
        "input",
        "parameters",
        "variables",
        "p",
        "v",
        "r",
        "defaultValue",
        "value",
        "condition",
        "scope",
        "outputs",
        "functions",
        "namespace",
        "members",
        "output",
        "subnets",
        "$ref",
        "definitions",
        "existing",
        "resourceGroup",
        "subscriptionId",
        "expressionEvaluationOptions",
        "reference",
        "items",
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names.clone()), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No template makes the reader panic.
    #[test]
    fn any_json_is_read_or_refused(members in prop::collection::vec(any_json(), 6)) {
        let names = ["parameters", "variables", "resources", "functions", "outputs", "definitions"];
        let template: Map<_, _> = names.into_iter().map(str::to_owned).zip(members).collect();
        let _ = try_read(template.into(), &options(json!({"p": "x"})));
    }

    /// No expression does.
    #[test]
    fn any_expression_has_a_value_or_a_reason(text in "[\\[\\](),.'a-z0-9{}:/é -]{0,60}") {
        let _ = value_in(format!("[{text}]").into(), json!({}));
    }
}
