// Azure's packages for Node.js, unmodified, against a running server: address, subscription and the folder that has node_modules
// are the arguments.

import { createRequire } from "node:module";
import assert from "node:assert/strict";

const [api, subscription, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { ClientSecretCredential } = require("@azure/identity");
const { NetworkManagementClient } = require("@azure/arm-network");
const { PrivateDnsManagementClient } = require("@azure/arm-privatedns");

const url = `https://${api}`;
const tenant = "00000000-0000-0000-0000-000000000001";
const credential = new ClientSecretCredential(tenant, "any", "any", { authorityHost: url, disableInstanceDiscovery: true });
const network = new NetworkManagementClient(credential, subscription, { endpoint: url });
const dns = new PrivateDnsManagementClient(credential, subscription, { endpoint: url });
const quick = { updateIntervalInMs: 50 };

const all = async (pages) => {
  const found = [];
  for await (const one of pages) found.push(one.name);
  return found;
};
const refused = async (status, work) => {
  await assert.rejects(work, (error) => {
    assert.equal(error.statusCode, status, error.message);
    return true;
  });
};

const vnet = await network.virtualNetworks.beginCreateOrUpdateAndWait("rg", "vnet", {
  location: "westeurope",
  addressSpace: { addressPrefixes: ["127.3.0.0/16"] },
  subnets: [{ name: "default", addressPrefix: "127.3.1.0/24" }],
}, quick);
assert.equal(vnet.provisioningState, "Succeeded");
const zone = await dns.privateZones.beginCreateOrUpdateAndWait("rg", "corp.test", { location: "global" }, quick);
assert.equal(zone.numberOfRecordSets, 1);
await assert.rejects(
  dns.privateZones.beginCreateOrUpdateAndWait("rg", "corp.test", { location: "global" }, { ifNoneMatch: "*", ...quick }),
  // Azure says it in the operation, whose status is 200.
  (error) => error.statusCode === 412 || /exists already/.test(error.message),
);
const link = await dns.virtualNetworkLinks.beginCreateOrUpdateAndWait("rg", "corp.test", "l", {
  location: "global",
  virtualNetwork: { id: vnet.id },
  registrationEnabled: false,
}, quick);
assert.equal(link.virtualNetworkLinkState, "Completed");
for (let number = 0; number < 5; number++) {
  const made = await dns.recordSets.createOrUpdate("rg", "corp.test", "A", `h${number}`, {
    ttl: 60,
    aRecords: [{ ipv4Address: `10.0.0.${number}` }],
  });
  assert.equal(made.fqdn, `h${number}.corp.test.`);
}
await dns.recordSets.createOrUpdate("rg", "corp.test", "TXT", "t", { ttl: 60, txtRecords: [{ value: ["one", "two"] }] });
await dns.recordSets.createOrUpdate("rg", "corp.test", "SRV", "s", {
  ttl: 60,
  srvRecords: [{ priority: 1, weight: 2, port: 443, target: "h1.corp.test" }],
});
assert.deepEqual(await all(dns.recordSets.listByType("rg", "corp.test", "A", { top: 2 })), ["h0", "h1", "h2", "h3", "h4"]);
assert.equal((await all(dns.recordSets.list("rg", "corp.test"))).length, 8);
const first = await dns.recordSets.get("rg", "corp.test", "A", "h0");
const records = { ttl: 60, aRecords: [{ ipv4Address: "10.0.0.9" }] };
await dns.recordSets.createOrUpdate("rg", "corp.test", "A", "h0", records, { ifMatch: first.etag });
await refused(412, () => dns.recordSets.createOrUpdate("rg", "corp.test", "A", "h0", records, { ifMatch: first.etag }));
await refused(404, () => dns.recordSets.get("rg", "corp.test", "A", "none"));
await refused(409, () => dns.privateZones.beginDeleteAndWait("rg", "corp.test", quick));
await dns.recordSets.update("rg", "corp.test", "A", "h4", { metadata: { k: "v" } });
assert.deepEqual((await dns.recordSets.get("rg", "corp.test", "A", "h4")).metadata, { k: "v" });
await dns.recordSets.delete("rg", "corp.test", "A", "h3");

const privatelink = await dns.privateZones.beginCreateOrUpdateAndWait(
  "rg", "privatelink.blob.core.windows.net", { location: "global" }, quick);
const account = `/subscriptions/${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sdkacct`;
const endpoint = await network.privateEndpoints.beginCreateOrUpdateAndWait("rg", "pe", {
  location: "westeurope",
  subnet: { id: vnet.subnets[0].id },
  privateLinkServiceConnections: [{ name: "c", privateLinkServiceId: account, groupIds: ["blob"] }],
}, quick);
assert.deepEqual(endpoint.customDnsConfigs[0].ipAddresses, ["127.3.1.4"]);
const group = await network.privateDnsZoneGroups.beginCreateOrUpdateAndWait("rg", "pe", "default", {
  privateDnsZoneConfigs: [{ name: "blob", privateDnsZoneId: privatelink.id }],
}, quick);
assert.deepEqual(group.privateDnsZoneConfigs[0].recordSets[0].ipAddresses, ["127.3.1.4"]);
const nic = await network.networkInterfaces.get("rg", endpoint.networkInterfaces[0].id.split("/").pop());
assert.equal(nic.ipConfigurations[0].privateIPAddress, "127.3.1.4");
assert.deepEqual(await all(network.privateEndpoints.list("rg")), ["pe"]);
await network.privateEndpoints.beginDeleteAndWait("rg", "pe", quick);
await refused(404, () => network.privateEndpoints.get("rg", "pe"));
console.log("done");
