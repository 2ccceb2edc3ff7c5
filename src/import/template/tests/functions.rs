//! Functions, by the examples of "ARM template functions" (learn.microsoft.com, Azure Resource Manager, read in 2024): name of the
//! article before each group.

use serde_json::{Value, json};

use super::{GROUP, value, value_in, why};

#[track_caller]
fn check(cases: &[(&str, Value)]) {
    for (expression, expected) in cases {
        assert_eq!(value(expression), *expected, "{expression}");
    }
}

#[test]
fn strings() {
    check(&[
        ("base64('one, two, three')", json!("b25lLCB0d28sIHRocmVl")),
        ("base64ToString(base64('one, two, three'))", json!("one, two, three")),
        ("base64ToJson(base64('{''one'': ''a'', ''two'': ''b''}'))", json!({"one": "a", "two": "b"})),
        ("contains('OneTwoThree', 'e')", json!(true)),
        ("contains('OneTwoThree', 'z')", json!(false)),
        ("dataUri('Hello')", json!("data:text/plain;charset=utf8;base64,SGVsbG8=")),
        ("dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", json!("Hello, World!")),
        ("empty('')", json!(true)),
        ("startsWith('abcdef', 'ab')", json!(true)),
        ("startsWith('abcdef', 'A')", json!(true)),
        ("startsWith('abcdef', 'e')", json!(false)),
        ("endsWith('abcdef', 'ef')", json!(true)),
        ("endsWith('abcdef', 'F')", json!(true)),
        ("endsWith('abcdef', 'e')", json!(false)),
        ("first('One Two Three')", json!("O")),
        ("last('One Two Three')", json!("e")),
        (
            "format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)",
            json!("Hello, User. Formatted number: 8,175,133"),
        ),
        ("indexOf('test', 't')", json!(0)),
        ("lastIndexOf('test', 't')", json!(3)),
        ("indexOf('abcdef', 'CD')", json!(2)),
        ("lastIndexOf('abcdef', 'AB')", json!(0)),
        ("indexOf('abcdef', 'z')", json!(-1)),
        ("join(createArray('one', 'two', 'three'), ',')", json!("one,two,three")),
        ("length('One Two Three')", json!(13)),
        ("padLeft('123', 10, '0')", json!("0000000123")),
        ("replace('123-123-1234', '-', '')", json!("1231231234")),
        ("replace('123-123-1234', '1234', 'xxxx')", json!("123-123-xxxx")),
        ("skip('one two three', 4)", json!("two three")),
        ("take('one two three', 2)", json!("on")),
        ("split('one,two,three', ',')", json!(["one", "two", "three"])),
        ("split('one;two,three', createArray(',', ';'))", json!(["one", "two", "three"])),
        (
            "string(createObject('valueA', 10, 'valueB', 'Example Text'))",
            json!(r#"{"valueA":10,"valueB":"Example Text"}"#),
        ),
        ("string(createArray('a', 'b', 'c'))", json!(r#"["a","b","c"]"#)),
        ("string(5)", json!("5")),
        ("substring('one two three', 4, 3)", json!("two")),
        ("toLower('One Two Three')", json!("one two three")),
        ("toUpper('One Two Three')", json!("ONE TWO THREE")),
        ("trim('    one two three   ')", json!("one two three")),
        ("uri('http://contoso.org/firstpath', 'myscript.sh')", json!("http://contoso.org/myscript.sh")),
        ("uri('http://contoso.org/firstpath/', 'myscript.sh')", json!("http://contoso.org/firstpath/myscript.sh")),
        (
            "uri('http://contoso.org/firstpath/azuredeploy.json', 'myscript.sh')",
            json!("http://contoso.org/firstpath/myscript.sh"),
        ),
        (
            "uri('http://contoso.org/firstpath/azuredeploy.json/', 'myscript.sh')",
            json!("http://contoso.org/firstpath/azuredeploy.json/myscript.sh"),
        ),
        (
            "uriComponent('http://contoso.com/resources/nested/azuredeploy.json')",
            json!("http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json"),
        ),
        (
            "uriComponentToString('http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json')",
            json!("http://contoso.com/resources/nested/azuredeploy.json"),
        ),
    ]);
    let says = why("substring('1234567890', 0, 11)");
    assert!(says.contains("index 0, length 11, length of the string 10"), "{says}");
}

/// "System.String.Format": composite formats, alignment, and the standard formats of ints.
#[test]
fn formats_of_dotnet() {
    check(&[
        ("format('{0,5}|{0,-5}|{{{0}}}', 42)", json!("   42|42   |{42}")),
        ("format('{0:D3}-{0:00}-{0:X}-{0:x4}-{0:F1}', 26)", json!("026-26-1A-001a-26.0")),
        ("format('vm{0:00}', 7)", json!("vm07")),
        ("format('{0:N2}', -1234)", json!("-1,234.00")),
        ("format('{1} {0}', true(), 'x')", json!("x True")),
    ]);
    assert!(why("format('{0', 1)").contains("brace"));
    assert!(why("format('{2}', 1)").contains("no argument 2"));
    assert!(why("format('{0:Q}', 1)").contains("'Q'"));
}

#[test]
fn arrays() {
    check(&[
        ("array(1)", json!([1])),
        ("array('efgh')", json!(["efgh"])),
        ("array(createObject('a', 'b', 'c', 'd'))", json!([{"a": "b", "c": "d"}])),
        (
            "concat(createArray('1-1', '1-2', '1-3'), createArray('2-1', '2-2', '2-3'))",
            json!(["1-1", "1-2", "1-3", "2-1", "2-2", "2-3"]),
        ),
        ("contains(createArray('one', 'two', 'three'), 'three')", json!(true)),
        ("contains(createArray('one', 'two', 'three'), 'four')", json!(false)),
        ("contains(createObject('one', 'a', 'two', 'b', 'three', 'c'), 'one')", json!(true)),
        ("contains(createObject('one', 'a', 'two', 'b', 'three', 'c'), 'a')", json!(false)),
        ("contains(createObject('one', 'a'), 'ONE')", json!(true)),
        ("createArray()", json!([])),
        ("createArray(createArray('one', 'two', 'three'))", json!([["one", "two", "three"]])),
        ("empty(createArray())", json!(true)),
        ("first(createArray('one', 'two', 'three'))", json!("one")),
        ("last(createArray('one', 'two', 'three'))", json!("three")),
        ("intersection(createArray('one', 'two', 'three'), createArray('two', 'three'))", json!(["two", "three"])),
        ("length(createArray('one', 'two', 'three'))", json!(3)),
        ("max(createArray(0, 3, 2, 5, 4))", json!(5)),
        ("max(0, 3, 2, 5, 4)", json!(5)),
        ("min(createArray(0, 3, 2, 5, 4))", json!(0)),
        ("min(0, 3, 2, 5, 4)", json!(0)),
        ("range(5, 3)", json!([5, 6, 7])),
        ("skip(createArray('one', 'two', 'three'), 2)", json!(["three"])),
        ("take(createArray('one', 'two', 'three'), 2)", json!(["one", "two"])),
        (
            "union(createArray('one', 'two', 'three'), createArray('three', 'four'))",
            json!(["one", "two", "three", "four"]),
        ),
        // Bicep's pages, "Array functions".
        (
            "flatten(createArray(createArray('one', 'two'), createArray('three'), createArray('four', 'five')))",
            json!(["one", "two", "three", "four", "five"]),
        ),
        ("indexOf(createArray('one', 'two', 'three'), 'two')", json!(1)),
        ("tryGet(createArray('one'), 1)", json!(null)),
    ]);
}

#[test]
fn objects() {
    check(&[
        (
            "createObject('intProp', 1, 'stringProp', 'abc', 'boolProp', true(), 'arrayProp', createArray('a', 'b', 'c'), \
             'objectProp', createObject('key1', 'value1'))",
            json!({"intProp": 1, "stringProp": "abc", "boolProp": true, "arrayProp": ["a", "b", "c"],
                   "objectProp": {"key1": "value1"}}),
        ),
        (
            "intersection(createObject('one', 'a', 'two', 'b', 'three', 'c'), createObject('one', 'a', 'two', 'z', 'three', 'c'))",
            json!({"one": "a", "three": "c"}),
        ),
        ("empty(json('null'))", json!(true)),
        ("json('{\"a\": \"b\"}')", json!({"a": "b"})),
        ("json('\"test\"')", json!("test")),
        ("json('true')", json!(true)),
        ("json('3')", json!(3)),
        ("json('[1,2,3 ]')", json!([1, 2, 3])),
        ("json(concat('{\"a\": \"', 'demo value', '\"}'))", json!({"a": "demo value"})),
        ("length(createObject('a', 1, 'b', 2, 'c', 3, 'd', createObject()))", json!(4)),
        ("empty(null())", json!(true)),
        (
            "union(createObject('one', 'a', 'two', 'b', 'three', 'c1'), createObject('three', 'c2', 'four', 'd', 'five', 'e'))",
            json!({"one": "a", "two": "b", "three": "c2", "four": "d", "five": "e"}),
        ),
        (
            "union(createObject('property', createObject('one', 'a', 'two', 'b', 'three', 'c1'), 'nestedArray', \
             createArray(1, 2)), createObject('property', createObject('three', 'c2', 'four', 'd', 'five', 'e'), \
             'nestedArray', createArray(3, 4)))",
            json!({"property": {"one": "a", "two": "b", "three": "c2", "four": "d", "five": "e"}, "nestedArray": [3, 4]}),
        ),
        (
            "union(createArray(createArray('one', 'two'), createArray('three')), createArray(createArray('three'), \
             createArray('four', 'two')))",
            json!([["one", "two"], ["three"], ["four", "two"]]),
        ),
        (
            "items(createObject('item002', createObject('number', 200), 'item001', createObject('number', 300)))",
            json!([{"key": "item001", "value": {"number": 300}}, {"key": "item002", "value": {"number": 200}}]),
        ),
        (
            "shallowMerge(createArray(createObject('a', createObject('b', 1)), createObject('a', createObject('c', 2))))",
            json!({"a": {"c": 2}}),
        ),
        ("objectKeys(createObject('b', 1, 'a', 2))", json!(["a", "b"])),
    ]);
}

#[test]
fn comparison_and_logic() {
    check(&[
        ("coalesce(null(), null(), 'default')", json!("default")),
        ("empty(coalesce(null(), null()))", json!(true)),
        ("equals(1, 1)", json!(true)),
        ("equals('a', 'a')", json!(true)),
        ("equals(createArray('a', 'b'), createArray('a', 'b'))", json!(true)),
        ("equals(createObject('a', 'b'), createObject('a', 'b'))", json!(true)),
        ("not(equals(1, 2))", json!(true)),
        ("greater(1, 2)", json!(false)),
        ("greater('A', 'a')", json!(true)),
        ("greaterOrEquals(1, 2)", json!(false)),
        ("greaterOrEquals('A', 'a')", json!(true)),
        ("less(1, 2)", json!(true)),
        ("less('A', 'a')", json!(false)),
        ("lessOrEquals(1, 2)", json!(true)),
        ("lessOrEquals('A', 'a')", json!(false)),
        ("and(bool('true'), bool('false'))", json!(false)),
        ("or(bool('true'), bool('false'))", json!(true)),
        ("not(bool('true'))", json!(false)),
        ("bool(1)", json!(true)),
        ("bool(0)", json!(false)),
        ("if(equals('a', 'a'), 'yes', 'no')", json!("yes")),
        // The branch that is not taken is not evaluated ("Logical functions", `if`).
        ("if(true(), 'yes', div(1, 0))", json!("yes")),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("add(5, 3)", json!(8)),
        ("div(8, 3)", json!(2)),
        ("mod(7, 3)", json!(1)),
        ("mul(5, 3)", json!(15)),
        ("sub(7, 3)", json!(4)),
        ("int('4')", json!(4)),
        ("float('3.0')", json!(3.0)),
    ]);
    for wrong in ["div(1, 0)", "mod(1, 0)", "add(9223372036854775807, 1)", "int('x')", "range(0, 10001)", "max()"] {
        why(wrong);
    }
}

#[test]
fn address_prefixes() {
    check(&[
        (
            "parseCidr('10.144.0.0/20')",
            json!({"network": "10.144.0.0", "netmask": "255.255.240.0", "broadcast": "10.144.15.255",
                   "firstUsable": "10.144.0.1", "lastUsable": "10.144.15.254", "cidr": 20}),
        ),
        (
            "parseCidr('fdad:3236:5555::/48')",
            json!({"network": "fdad:3236:5555::", "netmask": "ffff:ffff:ffff::", "firstUsable": "fdad:3236:5555::",
                   "lastUsable": "fdad:3236:5555:ffff:ffff:ffff:ffff:ffff", "cidr": 48}),
        ),
        (
            "map(range(0, 5), lambda('i', cidrSubnet('10.144.0.0/20', 24, lambdaVariables('i'))))",
            json!(["10.144.0.0/24", "10.144.1.0/24", "10.144.2.0/24", "10.144.3.0/24", "10.144.4.0/24"]),
        ),
        ("cidrSubnet('fdad:3236:5555::/48', 52, 4)", json!("fdad:3236:5555:4000::/52")),
        (
            "map(range(0, 5), lambda('i', cidrHost('10.144.3.0/24', lambdaVariables('i'))))",
            json!(["10.144.3.1", "10.144.3.2", "10.144.3.3", "10.144.3.4", "10.144.3.5"]),
        ),
        ("cidrHost('fdad:3236:5555:3000::/52', 4)", json!("fdad:3236:5555:3000::5")),
    ]);
    for wrong in [
        "cidrSubnet('10.144.0.0/20', 24, 16)",
        "cidrSubnet('10.144.0.0/20', 19, 0)",
        "cidrSubnet('::/0', 128, 9223372036854775807)",
        "cidrSubnet('10.0.0.0/8', 33, 0)",
        "cidrSubnet('10.0.0.0/8', 24, -1)",
        "cidrHost('10.144.3.0/24', 255)",
        "parseCidr('10.0.0.0')",
    ] {
        if wrong.contains("::/0") {
            assert_eq!(value(wrong), json!("::7fff:ffff:ffff:ffff/128"));
        } else {
            why(wrong);
        }
    }
}

#[test]
fn dates() {
    check(&[
        ("dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')", json!("4/7/2023 2:53:14 PM")),
        ("dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", json!("3/29/2020 2:53:14 PM")),
        ("dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')", json!("4/7/2020 3:53:14 PM")),
        ("dateTimeAdd('2024-01-31T00:00:00Z', 'P1M', 'yyyy-MM-dd')", json!("2024-02-29")),
        ("dateTimeAdd('20190305T175318Z', 'P0D', 'd')", json!("03/05/2019")),
        ("dateTimeAdd('20190305T175318Z', 'P0D', 'M d')", json!("3 5")),
        ("dateTimeAdd('2020-04-07T14:53:14+02:00', 'P0D', 'u')", json!("2020-04-07 12:53:14Z")),
        // Bicep's pages, "Date functions".
        ("dateTimeFromEpoch(1683040573)", json!("2023-05-02T15:16:13Z")),
        ("dateTimeToEpoch('2023-05-02T15:16:13Z')", json!(1683040573)),
    ]);
    for wrong in ["dateTimeAdd('x', 'P1D')", "dateTimeAdd('2020-01-01', '1D')", "dateTimeAdd('9999-12-31', 'P1Y')"] {
        why(wrong);
    }
}

#[test]
fn lambdas() {
    let dogs = json!({"variables": {"dogs": [
        {"name": "Evie", "age": 5, "interests": ["Ball", "Frisbee"]},
        {"name": "Casper", "age": 3, "interests": ["Other dogs"]},
        {"name": "Indy", "age": 2, "interests": ["Butter"]},
        {"name": "Kira", "age": 8, "interests": ["Rubs"]},
    ]}});
    let names = |expression: &str| {
        let of = value_in(format!("[map({expression}, lambda('d', lambdaVariables('d').name))]").into(), dogs.clone());
        serde_json::from_value::<Vec<String>>(of).expect("names").join(" ")
    };
    assert_eq!(
        names("filter(variables('dogs'), lambda('dog', greaterOrEquals(lambdaVariables('dog').age, 5)))"),
        "Evie Kira"
    );
    assert_eq!(
        names("sort(variables('dogs'), lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age)))"),
        "Indy Casper Evie Kira"
    );
    check(&[
        ("filter(range(0, 10), lambda('i', equals(0, mod(lambdaVariables('i'), 2))))", json!([0, 2, 4, 6, 8])),
        (
            "reduce(createArray(5, 3, 2, 8), 1, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('next'))))",
            json!(19),
        ),
        (
            "reduce(createArray(createObject('foo', 123), createObject('bar', 456), createObject('baz', 789)), createObject(), \
             lambda('cur', 'next', union(lambdaVariables('cur'), lambdaVariables('next'))))",
            json!({"foo": 123, "bar": 456, "baz": 789}),
        ),
    ]);
    let ages =
        "[toObject(variables('dogs'), lambda('e', lambdaVariables('e').name), lambda('e', lambdaVariables('e').age))]";
    assert_eq!(value_in(ages.into(), dogs.clone()), json!({"Evie": 5, "Casper": 3, "Indy": 2, "Kira": 8}));
    let groups = "[groupBy(createArray('foo', 'bar', 'baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)))]";
    assert_eq!(value_in(groups.into(), dogs), json!({"f": ["foo"], "b": ["bar", "baz"]}));
    check(&[(
        "mapValues(createObject('foo', 'foo'), lambda('v', toUpper(lambdaVariables('v'))))",
        json!({"foo": "FOO"}),
    )]);
}

#[test]
fn resource_ids() {
    check(&[
        (
            "resourceId('Microsoft.Storage/storageAccounts', 'examplestorage')",
            json!(format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/examplestorage")),
        ),
        (
            "resourceId('otherResourceGroup', 'Microsoft.Storage/storageAccounts', 'examplestorage')",
            json!(format!(
                "{}/providers/Microsoft.Storage/storageAccounts/examplestorage",
                GROUP.replace("rg-tailspin", "otherResourceGroup")
            )),
        ),
        (
            "resourceId('11111111-1111-1111-1111-111111111111', 'otherResourceGroup', 'Microsoft.Storage/storageAccounts', \
             'examplestorage')",
            json!(
                "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/otherResourceGroup/providers/\
                 Microsoft.Storage/storageAccounts/examplestorage"
            ),
        ),
        (
            "resourceId('Microsoft.SQL/servers/databases', 'serverName', 'databaseName')",
            json!(format!("{GROUP}/providers/Microsoft.SQL/servers/serverName/databases/databaseName")),
        ),
        (
            "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'x')",
            json!(
                "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/x"
            ),
        ),
        (
            "tenantResourceId('Microsoft.Authorization/policyDefinitions', 'x')",
            json!("/providers/Microsoft.Authorization/policyDefinitions/x"),
        ),
        (
            "managementGroupResourceId('mg', 'Microsoft.Authorization/policyDefinitions', 'x')",
            json!(
                "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/policyDefinitions/x"
            ),
        ),
        (
            "extensionResourceId(resourceGroup().id, 'Microsoft.Authorization/locks', 'keep')",
            json!(format!("{GROUP}/providers/Microsoft.Authorization/locks/keep")),
        ),
    ]);
    assert!(why("resourceId('Microsoft.SQL/servers/databases', 'serverName')").contains("has 2 names"));
}

#[test]
fn what_azure_alone_knows_is_unknown_with_the_reason() {
    for (expression, reason) in [
        ("uniqueString(resourceGroup().id)", "uniqueString() is computed by Azure"),
        ("concat('st', uniqueString('a'))", "uniqueString() is computed by Azure"),
        ("guid('a')", "guid() is computed by Azure"),
        ("newGuid()", "another value in each deployment"),
        ("utcNow('u')", "another value in each deployment"),
        ("listKeys('x', '2021-04-01').keys[0].value", "secret"),
        ("subscription().tenantId", "does not tell this of the subscription"),
        ("resourceGroup().location", "region of the resource group"),
        ("deployment().name", "name of the deployment"),
        ("reference('nowhere').x", "does not hold nowhere"),
        ("createArray(newGuid())[0]", "another value"),
        ("format('{0}', createArray(newGuid()))", "another value"),
    ] {
        assert!(why(expression).contains(reason), "{expression}: {}", why(expression));
    }
    check(&[
        ("and(false(), equals(newGuid(), 'a'))", json!(false)),
        ("or(equals(newGuid(), 'a'), true())", json!(true)),
        ("length(createArray(newGuid(), 'b'))", json!(2)),
        ("equals(uniqueString('a'), uniqueString('a'))", json!(true)),
        ("contains(createArray(newGuid(), 'b'), 'b')", json!(true)),
    ]);
    why("equals(uniqueString('a'), uniqueString('b'))");
}

#[test]
fn wrong_expressions_say_where_and_what() {
    let says = why("concat(createArray(1), 'a')");
    assert_eq!(
        says,
        "resources[0].properties.made: [concat(createArray(1), 'a')]: argument 2 of `concat` has to be an array, not string"
    );
    for (expression, expected) in [
        ("nothing('a')", "there is no function `nothing`"),
        ("parameters('a')", "there is no parameter 'a'"),
        ("variables('a')", "there is no variable 'a'"),
        ("concat('a'", "character 11: `,` or `)` is expected"),
        ("createObject('a', 1).b", "the object of a has no member 'b'"),
        ("createArray(1)[1]", "an array of 1 has no item 1"),
        ("copyIndex()", "`copyIndex` stands in no copy loop"),
        ("lambdaVariables('x')", "no lambda has a variable 'x'"),
        ("map(createArray(1), 'x')", "`map` takes a lambda"),
        ("fail('too small')", "too small"),
    ] {
        assert!(why(expression).contains(expected), "{expression}: {}", why(expression));
    }
}
