# The Azure CLI, unmodified, against a running server whose settings `vnetdns clients --for az` has printed: these, as a file, and
# the ID of a storage account that is there are the arguments.
set -eu
az() {
    command "${VNETDNS_AZ:-az}" "$@" --only-show-errors
}
. "$1"
account=$2

# What must be said, and that the command fails.
refused() {
    wanted=$1
    shift
    if said=$("$@" 2>&1); then
        echo "'$*' is not refused" >&2
        exit 1
    fi
    case $said in
        *"$wanted"*) ;;
        *) echo "'$*' says '$said', without '$wanted'" >&2; exit 1 ;;
    esac
}
# What a command must print.
prints() {
    wanted=$1
    shift
    said=$("$@")
    [ "$said" = "$wanted" ] || { echo "'$*' prints '$said' in place of '$wanted'" >&2; exit 1; }
}

az group create -n rg -l westeurope -o none
az network vnet create -g rg -n vnet --address-prefixes 127.3.0.0/16 --subnet-name default --subnet-prefixes 127.3.1.0/24 -o none
az network vnet subnet update -g rg --vnet-name vnet -n default --private-endpoint-network-policies Disabled -o none
az network private-dns zone create -g rg -n corp.test -o none
refused "exists" az network private-dns zone create -g rg -n corp.test
az network private-dns link vnet create -g rg -z corp.test -n l -v vnet -e false -o none
prints Completed az network private-dns link vnet show -g rg -z corp.test -n l --query virtualNetworkLinkState -o tsv
for type in a aaaa cname mx ptr srv txt; do
    case $type in
        a) set -- add-record -n h0 -a 10.0.0.9 ;;
        aaaa) set -- add-record -n h0 -a fd00::9 ;;
        cname) set -- set-record -n www -c h0.corp.test ;;
        mx) set -- add-record -n @ -e mx.corp.test -p 10 ;;
        ptr) set -- add-record -n ptr -d h0.corp.test ;;
        srv) set -- add-record -n _s._tcp -t h0.corp.test -r 443 -p 1 -w 2 ;;
        txt) set -- add-record -n t -v "one two" ;;
    esac
    az network private-dns record-set $type "$@" -g rg -z corp.test -o none
done
az network private-dns record-set a add-record -g rg -z corp.test -n h0 -a 10.0.0.8 -o none
az network private-dns record-set a remove-record -g rg -z corp.test -n h0 -a 10.0.0.8 -o none
az network private-dns record-set a update -g rg -z corp.test -n h0 --metadata k=v --set ttl=60 -o none
prints 60 az network private-dns record-set a show -g rg -z corp.test -n h0 --query ttl -o tsv
az network private-dns record-set soa update -g rg -z corp.test -e admin.corp.test -o none
prints 8 az network private-dns record-set list -g rg -z corp.test --query 'length(@)' -o tsv
az network private-dns zone list -g rg -o table > /dev/null
az network private-dns link vnet list -g rg -z corp.test -o table > /dev/null
refused "etag mismatch" az network private-dns record-set a update -g rg -z corp.test -n h0 --metadata k=w --if-match old
az network private-dns zone export -g rg -n corp.test -f corp.zone
az network private-dns zone import -g rg -n copy.test -f corp.zone -o none
prints 1 az network private-dns record-set mx list -g rg -z copy.test --query 'length(@)' -o tsv
refused "CannotDeleteResource" az network private-dns zone delete -g rg -n corp.test -y

az network private-dns zone create -g rg -n privatelink.blob.core.windows.net -o none
az network private-endpoint create -g rg -n pe --vnet-name vnet --subnet default --connection-name c --group-id blob \
    --private-connection-resource-id "$account" -o none
az network private-endpoint dns-zone-group create -g rg --endpoint-name pe -n default --zone-name blob \
    --private-dns-zone privatelink.blob.core.windows.net -o none
prints 127.3.1.4 az network private-dns record-set a show -g rg -z privatelink.blob.core.windows.net -n sdkacct \
    --query 'aRecords[0].ipv4Address' -o tsv
prints Approved az network private-endpoint-connection list --id "$account" --query '[0].properties.privateLinkServiceConnectionState.status' -o tsv
connection=$(az network private-endpoint-connection list --id "$account" --query '[0].id' -o tsv)
az network private-endpoint-connection reject --id "$connection" --description no -o none
az network private-endpoint delete -g rg -n pe
prints "[]" az rest --url "$(az cloud show --query endpoints.resourceManager -o tsv)$account/privateEndpointConnections?api-version=2023-01-01" --query value -o json
echo done
