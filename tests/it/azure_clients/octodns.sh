# octoDNS with octodns-azure, unmodified, against a running server: the settings that `vnetdns clients --for octodns` printed, ca.pem
# and the folder of the programs are the arguments. The zone corp.test is there: the provider cannot create one.
set -eu
settings=$1 programs=$3
export REQUESTS_CA_BUNDLE=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/zones" "$folder/dumped"
cat "$settings" - > "$folder/octodns.yaml" << END
  files:
    class: octodns.provider.yaml.YamlProvider
    directory: $folder/zones
    enforce_order: false
zones:
  corp.test.:
    sources: [files]
    targets: [vnetdns]
END
cat > "$folder/zones/corp.test.yaml" << END
h0:
  - {type: A, ttl: 60, value: 10.0.0.9}
  - {type: AAAA, ttl: 60, value: fd00::9}
h1: {type: A, values: [10.0.0.1, 10.0.0.2]}
www: {type: CNAME, value: h0.corp.test.}
'': {type: MX, values: [{exchange: mx.corp.test., preference: 10}]}
ptr: {type: PTR, value: h0.corp.test.}
_s._tcp: {type: SRV, values: [{priority: 1, weight: 2, port: 443, target: h0.corp.test.}]}
t: {type: TXT, value: one two}
END
plan() {
    "$programs/octodns-sync" --config-file "$folder/octodns.yaml" "$@" 2>&1 || {
        echo "octodns-sync fails" >&2
        exit 1
    }
}
changes() {
    said=$(plan "$@")
    case $said in
        *"$wanted"*) ;;
        *) printf '%s\n' "$said" "without '$wanted'" >&2; exit 1 ;;
    esac
}
wanted='Creates=8, Updates=0, Deletes=0' changes --doit
wanted='No changes were planned' changes
sed -i -e 's/10.0.0.1, 10.0.0.2/10.0.0.3, 10.0.0.2/' -e '/^t:/d' "$folder/zones/corp.test.yaml"
wanted='Creates=0, Updates=1, Deletes=1' changes --doit --force
wanted='No changes were planned' changes
"$programs/octodns-dump" --config-file "$folder/octodns.yaml" --output-dir "$folder/dumped" corp.test. vnetdns > /dev/null 2>&1
grep -q 10.0.0.3 "$folder/dumped/corp.test.yaml"
echo done
