// Azure's packages for Go (azure-sdk-for-go 68 with go-autorest), unmodified, against a running server: the subscription and the ID
// of a storage account are the arguments. The environment is that of `vnetdns clients --for go`.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/services/network/mgmt/2021-08-01/network"
	"github.com/Azure/azure-sdk-for-go/services/privatedns/mgmt/2018-09-01/privatedns"
	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/azure"
	"github.com/Azure/go-autorest/autorest/azure/auth"
	"github.com/Azure/go-autorest/autorest/to"
)

func must(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func refused(err error, status int) {
	var detailed autorest.DetailedError
	var ok bool
	if detailed, ok = err.(autorest.DetailedError); !ok || detailed.StatusCode != status {
		log.Output(2, fmt.Sprintf("%d is expected: %v", status, err))
		os.Exit(1)
	}
}

func check(is bool, what interface{}) {
	if !is {
		log.Output(2, fmt.Sprint(what))
		os.Exit(1)
	}
}

func main() {
	subscription, account := os.Args[1], os.Args[2]
	ctx := context.Background()
	environment, err := azure.EnvironmentFromName(os.Getenv("AZURE_ENVIRONMENT"))
	must(err)
	authorizer, err := auth.NewAuthorizerFromEnvironment()
	must(err)
	base := environment.ResourceManagerEndpoint

	networks := network.NewVirtualNetworksClientWithBaseURI(base, subscription)
	networks.Authorizer = authorizer
	madeNetwork, err := networks.CreateOrUpdate(ctx, "rg", "vnet", network.VirtualNetwork{
		Location: to.StringPtr("westeurope"),
		VirtualNetworkPropertiesFormat: &network.VirtualNetworkPropertiesFormat{
			AddressSpace: &network.AddressSpace{AddressPrefixes: &[]string{"127.3.0.0/16"}},
			Subnets: &[]network.Subnet{{
				Name:                   to.StringPtr("default"),
				SubnetPropertiesFormat: &network.SubnetPropertiesFormat{AddressPrefix: to.StringPtr("127.3.1.0/24")},
			}},
		},
	})
	must(err)
	must(madeNetwork.WaitForCompletionRef(ctx, networks.Client))
	vnet, err := madeNetwork.Result(networks)
	must(err)

	zones := privatedns.NewPrivateZonesClientWithBaseURI(base, subscription)
	zones.Authorizer = authorizer
	for _, name := range []string{"corp.test", "privatelink.blob.core.windows.net"} {
		made, err := zones.CreateOrUpdate(ctx, "rg", name, privatedns.PrivateZone{Location: to.StringPtr("global")}, "", "")
		must(err)
		must(made.WaitForCompletionRef(ctx, zones.Client))
		zone, err := made.Result(zones)
		must(err)
		check(*zone.NumberOfRecordSets == 1, *zone.Name)
	}

	links := privatedns.NewVirtualNetworkLinksClientWithBaseURI(base, subscription)
	links.Authorizer = authorizer
	madeLink, err := links.CreateOrUpdate(ctx, "rg", "corp.test", "l", privatedns.VirtualNetworkLink{
		Location: to.StringPtr("global"),
		VirtualNetworkLinkProperties: &privatedns.VirtualNetworkLinkProperties{
			VirtualNetwork: &privatedns.SubResource{ID: vnet.ID}, RegistrationEnabled: to.BoolPtr(false),
		},
	}, "", "")
	must(err)
	must(madeLink.WaitForCompletionRef(ctx, links.Client))
	link, err := madeLink.Result(links)
	must(err)
	check(link.VirtualNetworkLinkState == privatedns.Completed, link.VirtualNetworkLinkState)

	sets := privatedns.NewRecordSetsClientWithBaseURI(base, subscription)
	sets.Authorizer = authorizer
	set := func(address string) privatedns.RecordSet {
		return privatedns.RecordSet{RecordSetProperties: &privatedns.RecordSetProperties{
			TTL: to.Int64Ptr(60), ARecords: &[]privatedns.ARecord{{Ipv4Address: to.StringPtr(address)}},
		}}
	}
	for number := 0; number < 5; number++ {
		made, err := sets.CreateOrUpdate(ctx, "rg", "corp.test", privatedns.A, fmt.Sprintf("h%d", number), set(fmt.Sprintf("10.0.0.%d", number)), "", "")
		must(err)
		check(*made.Fqdn == fmt.Sprintf("h%d.corp.test.", number), *made.Fqdn)
	}
	_, err = sets.CreateOrUpdate(ctx, "rg", "corp.test", privatedns.A, "h0", set("10.0.0.1"), "", "*")
	refused(err, http.StatusPreconditionFailed)
	first, err := sets.Get(ctx, "rg", "corp.test", privatedns.A, "h0")
	must(err)
	_, err = sets.CreateOrUpdate(ctx, "rg", "corp.test", privatedns.A, "h0", set("10.0.0.9"), *first.Etag, "")
	must(err)
	_, err = sets.CreateOrUpdate(ctx, "rg", "corp.test", privatedns.A, "h0", set("10.0.0.9"), *first.Etag, "")
	refused(err, http.StatusPreconditionFailed)
	_, err = sets.Get(ctx, "rg", "corp.test", privatedns.A, "none")
	refused(err, http.StatusNotFound)
	count := 0
	listed, err := sets.ListComplete(ctx, "rg", "corp.test", to.Int32Ptr(2), "")
	must(err)
	for ; listed.NotDone(); count++ {
		must(listed.NextWithContext(ctx))
	}
	check(count == 6, count)
	_, err = sets.Delete(ctx, "rg", "corp.test", privatedns.A, "h4", "")
	must(err)
	gone, err := zones.Delete(ctx, "rg", "corp.test", "")
	if err == nil {
		err = gone.WaitForCompletionRef(ctx, zones.Client)
	}
	check(err != nil, "a zone with a link is deleted")

	endpoints := network.NewPrivateEndpointsClientWithBaseURI(base, subscription)
	endpoints.Authorizer = authorizer
	madeEndpoint, err := endpoints.CreateOrUpdate(ctx, "rg", "pe", network.PrivateEndpoint{
		Location: to.StringPtr("westeurope"),
		PrivateEndpointProperties: &network.PrivateEndpointProperties{
			Subnet: &network.Subnet{ID: (*vnet.Subnets)[0].ID},
			PrivateLinkServiceConnections: &[]network.PrivateLinkServiceConnection{{
				Name: to.StringPtr("c"),
				PrivateLinkServiceConnectionProperties: &network.PrivateLinkServiceConnectionProperties{
					PrivateLinkServiceID: to.StringPtr(account), GroupIds: &[]string{"blob"},
				},
			}},
		},
	})
	must(err)
	must(madeEndpoint.WaitForCompletionRef(ctx, endpoints.Client))
	groups := network.NewPrivateDNSZoneGroupsClientWithBaseURI(base, subscription)
	groups.Authorizer = authorizer
	zone, err := zones.Get(ctx, "rg", "privatelink.blob.core.windows.net")
	must(err)
	madeGroup, err := groups.CreateOrUpdate(ctx, "rg", "pe", "default", network.PrivateDNSZoneGroup{
		PrivateDNSZoneGroupPropertiesFormat: &network.PrivateDNSZoneGroupPropertiesFormat{
			PrivateDNSZoneConfigs: &[]network.PrivateDNSZoneConfig{{
				Name:                           to.StringPtr("blob"),
				PrivateDNSZonePropertiesFormat: &network.PrivateDNSZonePropertiesFormat{PrivateDNSZoneID: zone.ID},
			}},
		},
	})
	must(err)
	must(madeGroup.WaitForCompletionRef(ctx, groups.Client))
	group, err := madeGroup.Result(groups)
	must(err)
	written := (*(*group.PrivateDNSZoneConfigs)[0].RecordSets)[0]
	check((*written.IPAddresses)[0] == "127.3.1.4", written)
	deleted, err := endpoints.Delete(ctx, "rg", "pe")
	must(err)
	must(deleted.WaitForCompletionRef(ctx, endpoints.Client))
	fmt.Println("done")
}
