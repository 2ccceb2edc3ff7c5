"""Renders the chart in deploy/helm with several values, and looks at what Kubernetes would get.

    check.py VNETDNS

Each object must be valid for the oldest and the newest Kubernetes whose schemas kubernetes-validate has and the chart
allows; the parts must fit together; `vnetdns check` must take the configuration.
"""

import copy
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

from templates import Failed, render

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/vnetdns"
VERSIONS = ["1.27.0", "1.30.0", "1.33.0", "1.37.0"]


def merged(base, over):
    """The values with others over them, as Helm merges them: tables key by key, all else as a whole."""
    values = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = merged(values[key], value) if both else value
    return values


def objects(over):
    """What is installed with these values, by kind."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    values = merged(yaml.safe_load((CHART / "values.yaml").read_text()), over)
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(values)
    dot = {
        "Values": values,
        "Release": {"Name": "dns", "Namespace": "network"},
        "Chart": {"Name": chart["name"], "AppVersion": chart["appVersion"]},
    }
    found = {}
    for template in sorted(CHART.glob("templates/*.yaml")):
        for each in yaml.safe_load_all(render(template.read_text(), dot)):
            if each is not None:
                assert each["kind"] not in found, f"two of the kind {each['kind']}"
                found[each["kind"]] = each
    return found


def check(name, over, program):
    found = objects(over)
    for kind, each in found.items():
        assert each["metadata"]["namespace"] == "network" and each["metadata"]["name"] == "dns", kind
        # The operator's own kind is in no schema of Kubernetes.
        for version in VERSIONS if kind != "ServiceMonitor" else []:
            kubernetes_validate.validate(each, version, strict=True)
    pod = found["Deployment"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    ports = {port["name"]: port for port in container["ports"]}
    selectors = [found["Deployment"]["spec"]["selector"]["matchLabels"], found["Service"]["spec"]["selector"]]
    selectors += [found[kind]["spec"][at]["matchLabels"] for kind, at in
                  [("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")] if kind in found]
    for selector in selectors:
        assert selector.items() <= pod["metadata"]["labels"].items(), selector
    # Every port that is named somewhere is one of the container.
    for port in found["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]]["protocol"] == port["protocol"]
    for rule in found.get("NetworkPolicy", {"spec": {"ingress": []}})["spec"]["ingress"]:
        for port in rule["ports"]:
            assert ports[port["port"]]["protocol"] == port["protocol"]
            assert port["port"].startswith("dns-") or rule.get("from"), "an administrator's port is open to everybody"
    if monitor := found.get("ServiceMonitor"):
        spec = monitor["spec"]
        assert set(spec) == {"selector", "endpoints"}
        assert spec["selector"]["matchLabels"].items() <= found["Service"]["metadata"]["labels"].items()
        assert spec["endpoints"][0]["port"] in {port["name"] for port in found["Service"]["spec"]["ports"]}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
    # As secure as its image and its unit: what a restricted namespace asks for (Pod Security Standards).
    secure = container["securityContext"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] and secure["readOnlyRootFilesystem"]
    assert not secure["allowPrivilegeEscalation"] and secure["capabilities"]["drop"] == ["ALL"]
    assert not pod["spec"]["automountServiceAccountToken"]
    if "ConfigMap" in found:
        config = found["ConfigMap"]["data"]["vnetdns.toml"]
        check_config(name, config, ports, program)
    print(f"{name}: {len(found)} objects")
    return found


def check_config(name, config, ports, program):
    """`vnetdns check` takes the configuration, and its listeners are the container's ports."""
    listeners = dict(re.findall(r'^listen = \[?"0\.0\.0\.0:(\d+)"()', config, re.MULTILINE))
    assert {int(port) for port in listeners} == {port["containerPort"] for port in ports.values()}, listeners
    if "/etc/vnetdns/secrets" in config:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vnetdns.toml"
        path.write_text(config)
        checked = subprocess.run([program, "check", path], capture_output=True, text=True)
        assert checked.returncode == 0, f"{name}: {checked.stderr}{checked.stdout}"


def fails(over, says):
    try:
        objects(over)
    except (Failed, jsonschema.ValidationError) as error:
        assert says in str(error), error
    else:
        raise AssertionError(f"{over} is taken")


def main(program):
    found = check("the defaults", {}, program)
    assert "strangers = \"refused\"" in found["ConfigMap"]["data"]["vnetdns.toml"] and "ServiceMonitor" not in found
    examples = sorted(CHART.glob("examples/*.yaml"))
    assert examples
    for example in examples:
        check(example.name, yaml.safe_load(example.read_text()), program)
    changed = check("another configuration", {"config": found["ConfigMap"]["data"]["vnetdns.toml"] + "# more\n"}, program)
    checksum = lambda each: each["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
    assert checksum(changed) != checksum(found), "a change of the configuration starts no pod"
    others = {"existingConfigMap": "mine", "networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False},
              "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}],
              "affinity": {"nodeAffinity": {}}, "podAnnotations": {"c": "d"}, "replicas": 1,
              "state": {"enabled": True, "existingClaim": "claim"}, "image": {"tag": "9.9", "pullSecrets": [{"name": "r"}]},
              "service": {"type": "LoadBalancer", "loadBalancerIP": "192.0.2.1", "annotations": {"e": "f"}}}
    found = check("all else", others, program)
    assert set(found) == {"Deployment", "Service", "ServiceAccount"}
    assert found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == "vnetdns:9.9"
    assert found["Service"]["spec"]["externalTrafficPolicy"] == "Local"
    fails({"state": {"enabled": True, "existingClaim": "claim"}}, "is one replica's")
    fails({"state": {"existingClaim": "claim"}}, "needs state.enabled")
    fails({"serviceMonitor": {"enabled": True}}, "needs metricsPort")
    fails({"replica": 3}, "replica")
    fails({"replicas": 0}, "minimum")


main(sys.argv[1])
