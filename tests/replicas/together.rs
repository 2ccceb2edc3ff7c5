//! What replicas do while all is well.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vnetdns::tls::{Authority, Usage};

use crate::etcd::{Etcd, PATIENCE, Security};
use crate::replica::{FILES, GROUP, Replica, config, set, zone};
use crate::support::PROGRAM;

/// How long it takes in three of four, 99 of 100 and all cases.
fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    format!("p50 {:?}, p99 {:?}, max {:?}", at(50), at(99), at(100))
}

#[test]
fn what_one_replica_takes_all_answer() {
    let Some(etcd) = Etcd::start(3, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let replicas = Replica::several(3, &etcd, folder.path());
    replicas[0].api.write_world();
    assert_eq!(replicas[0].answer("web"), Some(4), "whoever took it answers when it has answered");
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(4)));
    let shown = replicas[0].api.get_set("web").body;
    let (mut to_last, mut to_ack) = (Vec::new(), Vec::new());
    let mut connections: Vec<_> = replicas.iter().map(|replica| replica.api.connect()).collect();
    for round in 0..100_u8 {
        let (writer, name) = (usize::from(round) % 3, format!("n{}", round % 10));
        let begun = Instant::now();
        let path = format!("{}/A/{name}", zone());
        let answer = connections[writer].ask("PUT", &path, "", &set(round));
        // One that waits for what another has committed.
        assert!([200, 201].contains(&answer.status), "{}", answer.body);
        to_ack.push(begun.elapsed());
        let read = connections[writer].ask("GET", &path, "", &Value::Null);
        assert_eq!(read.body["etag"], answer.body["etag"], "what one replica took it shows");
        assert_eq!(replicas[writer].answer(&name), Some(round));
        replicas.iter().for_each(|replica| replica.wait_for(&name, Some(round)));
        to_last.push(begun.elapsed());
        for replica in &replicas {
            assert_eq!(replica.api.get_set(&name).body["etag"], answer.body["etag"], "equal on all replicas");
        }
    }
    println!(
        "one write at a time: acknowledged {}; answered by the last replica {}",
        quantiles(to_ack),
        quantiles(to_last)
    );
    assert_eq!(replicas[2].api.get_set("web").body, shown);
    // What is removed goes everywhere; so does what it takes with it, which is more than etcd's transactions take.
    thread::scope(|scope| {
        for part in 0..4_usize {
            let mut connection = replicas[part % 3].api.connect();
            scope.spawn(move || {
                for number in 0..60 {
                    let path = format!("{}/A/many{part}-{number}", zone());
                    assert_eq!(connection.ask("PUT", &path, "", &set(7)).status, 201);
                }
            });
        }
    });
    replicas.iter().for_each(|replica| replica.wait_for("many3-59", Some(7)));
    assert_eq!(replicas[1].api.ask("DELETE", &format!("{}/A/web", zone()), "", &Value::Null).status, 200);
    replicas.iter().for_each(|replica| replica.wait_for("web", None));
    assert!(!replicas[0].is_refused("web"));
    let gone = replicas[2].api.ask("DELETE", GROUP, "", &Value::Null);
    assert_eq!(gone.status, 200, "{}", gone.body);
    for replica in &replicas {
        let start = Instant::now();
        while !replica.is_refused("many0-0") {
            assert!(start.elapsed() < PATIENCE, "{}", replica.server.log());
        }
        assert_eq!(replica.api.get_set("many0-0").status, 404);
    }
    assert!(!etcd.must(&["get", "--prefix", "--keys-only", "/vnetdns/d"]).contains("many"));
}

/// All resources that a zone group needs, on one replica, are answered by the others, and by one that starts later.
#[test]
fn endpoints_and_their_zone_groups_are_answered_by_all() {
    let Some(etcd) = Etcd::start(1, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut replicas = Replica::several(2, &etcd, folder.path());
    let network = |rest: &str| format!("{GROUP}/providers/Microsoft.Network/{rest}");
    let (one, other) = (&replicas[0].api, &replicas[1].api);
    one.put(GROUP, &json!({"location": "westeurope"}));
    let space = json!({"addressSpace": {"addressPrefixes": ["127.3.0.0/16"]},
                       "subnets": [{"name": "s", "properties": {"addressPrefix": "127.3.1.0/24"}}]});
    one.put(&network("virtualNetworks/spoke"), &json!({"location": "westeurope", "properties": space}));
    let until = |path: &str| {
        let start = Instant::now();
        while other.ask("GET", path, "", &Value::Null).status != 200 {
            assert!(start.elapsed() < PATIENCE, "{path}");
        }
    };
    until(&network("virtualNetworks/spoke/subnets/s"));
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/stlab");
    other.put(&account, &json!({"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}));
    let blob = network("privateDnsZones/privatelink.blob.core.windows.net");
    other.put(&blob, &json!({"location": "global"}));
    let link = json!({"location": "global", "properties": {"virtualNetwork": {"id": network("virtualNetworks/spoke")},
                      "registrationEnabled": false}});
    other.put(&format!("{blob}/virtualNetworkLinks/l"), &link);
    let endpoint = json!({"location": "westeurope", "properties": {
        "subnet": {"id": network("virtualNetworks/spoke/subnets/s")},
        "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": account, "groupIds": ["blob"]}}]}});
    other.put(&network("privateEndpoints/pe"), &endpoint);
    let group =
        json!({"properties": {"privateDnsZoneConfigs": [{"name": "blob", "properties": {"privateDnsZoneId": blob}}]}});
    other.put(&network("privateEndpoints/pe/privateDnsZoneGroups/default"), &group);
    let answered = |replica: &Replica| {
        let answer = replica.server.ask("127.3.1.9", "stlab.blob.core.windows.net.", hickory_proto::rr::RecordType::A);
        answer.answers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = answered(&replicas[1]);
    assert_eq!(expected.len(), 2, "{expected:?}");
    let start = Instant::now();
    while answered(&replicas[0]) != expected {
        assert!(start.elapsed() < PATIENCE, "{:?}\n{}", answered(&replicas[0]), replicas[0].server.log());
    }
    replicas.push(Replica::start(&folder.path().join("later"), &config(&etcd.endpoints(), "", FILES)));
    assert_eq!(answered(&replicas[2]), expected);
    let group = network("privateEndpoints/pe/privateDnsZoneGroups/default");
    assert!(replicas[2].api.ask("DELETE", &group, "", &Value::Null).status < 300);
    let public = answered(&replicas[2]);
    assert_ne!(public, expected);
    for replica in &replicas {
        let start = Instant::now();
        while answered(replica) != public {
            assert!(start.elapsed() < PATIENCE, "{:?}\n{}", answered(replica), replica.server.log());
        }
    }
}

#[test]
fn of_two_clients_that_race_on_one_etag_one_wins() {
    let Some(etcd) = Etcd::start(3, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let replicas = Replica::several(3, &etcd, folder.path());
    replicas[0].api.write_world();
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(4)));
    for round in 1..=20_u8 {
        let etag = replicas[0].api.get_set("web").body["etag"].as_str().unwrap().to_owned();
        for replica in &replicas {
            let start = Instant::now();
            while replica.api.get_set("web").body["etag"] != etag.as_str() {
                assert!(start.elapsed() < PATIENCE);
            }
        }
        let condition = format!("If-Match: {etag}\r\n");
        let barrier = Barrier::new(3);
        let (barrier, condition) = (&barrier, &condition);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let all = replicas.iter().enumerate();
            let all = all.map(|(number, replica)| {
                scope.spawn(move || {
                    barrier.wait();
                    replica.api.put_set("web", round * 3 + number as u8, condition).status
                })
            });
            let all: Vec<_> = all.collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let winners: Vec<_> = (0..3).filter(|number| statuses[*number] == 200).collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 2, "{statuses:?}");
        let won = round * 3 + winners[0] as u8;
        replicas.iter().for_each(|replica| replica.wait_for("web", Some(won)));
    }
}

/// A token of one replica is taken by the others, which can all be asked how an operation goes.
#[test]
fn tokens_and_operations_of_one_replica_count_at_all() {
    let Some(etcd) = Etcd::start(1, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let client = "[[management.client]]\nid = \"robot\"\nsecret_file = \"robot.secret\"\naccess = \"write\"\n";
    let config = config(&etcd.endpoints(), client, FILES).replace("mode = \"fast\"\n", "");
    // At one time: one of them makes the store and the keys.
    let replicas: Vec<_> = thread::scope(|scope| {
        let start = |number: usize| {
            let (folder, config) = (folder.path().join(number.to_string()), &config);
            std::fs::create_dir_all(&folder).unwrap();
            write_secret(&folder.join("robot.secret"), "robot-0123456789abcdef");
            scope.spawn(move || Replica::start(&folder, config))
        };
        let all: Vec<_> = (0..3).map(start).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let authorities: Vec<_> =
        replicas.iter().map(|replica| std::fs::read(replica.folder.join("vnetdns-state/ca.pem")).unwrap()).collect();
    assert!(authorities.windows(2).all(|two| two[0] == two[1]), "one authority certifies all");
    let form = "grant_type=client_credentials&client_id=robot&client_secret=robot-0123456789abcdef";
    let token = replicas[0].api.connect().ask_form("/t/oauth2/token", form);
    let token = format!("Authorization: Bearer {}\r\n", token.body["access_token"].as_str().unwrap());
    assert_eq!(replicas[1].api.ask("PUT", GROUP, "", &json!({"location": "westeurope"})).status, 401);
    let made = replicas[1].api.ask("PUT", GROUP, &token, &json!({"location": "westeurope"}));
    assert_eq!(made.status, 201, "{}", made.body);
    let start = Instant::now();
    let begun = loop {
        let begun = replicas[2].api.ask("PUT", &zone(), &token, &json!({"location": "global"}));
        if begun.status == 202 {
            break begun;
        }
        assert!(start.elapsed() < PATIENCE, "{}", begun.body);
    };
    let url = begun.head.lines().find_map(|line| line.strip_prefix("azure-asyncoperation: ")).unwrap();
    // The identifier keeps its letters.
    let at = begun.raw.to_lowercase().find(&url[8..]).unwrap();
    let path = begun.raw[at..].split_once('/').unwrap().1.split("\r\n").next().unwrap();
    for replica in &replicas {
        let start = Instant::now();
        loop {
            let answer = replica.api.ask("GET", &format!("/{path}"), &token, &Value::Null);
            if answer.body["status"] == "Succeeded" {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{} {}", answer.status, answer.body);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn members_are_asked_over_tls_with_a_certificate_and_by_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    // Those of the members of this process.
    let process = std::process::id() % 60_000;
    let own = format!("127.{}.{}", 130 + process / 250 % 120, process % 250 + 1);
    let hosts: Vec<_> = (1..=60).map(|last| format!("{own}.{last}").parse().unwrap()).collect();
    let authority = Authority::new(&hosts, now, 2).unwrap();
    let (server, client) = (
        authority.issue(&hosts, Usage::Server, None, now, 1).unwrap(),
        authority.issue(&hosts[..1], Usage::Client, None, now, 1).unwrap(),
    );
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        write_secret(&path, text);
        path
    };
    let files = [
        file("ca.pem", authority.pem().0),
        file("server.pem", &server.certificate),
        file("server.key", &server.key),
        file("client.pem", &client.certificate),
        file("client.key", &client.key),
    ];
    let Some(mut etcd) = Etcd::start(1, Security { files: Some(files), user: None }) else { return };
    etcd.with_user("dns", "a-long-password");
    file("password", "a-long-password\n");
    file("wrong", "another-password\n");
    let keys = |password: &str| {
        let keys =
            [("ca", "ca.pem"), ("certificate", "client.pem"), ("key", "client.key"), ("password_file", password)];
        let keys = keys.map(|(key, name)| format!("etcd_{key} = {:?}\n", folder.path().join(name)));
        format!("{}etcd_user = \"dns\"\n", keys.concat())
    };
    let replica = Replica::start(&folder.path().join("0"), &config(&etcd.endpoints(), &keys("password"), FILES));
    replica.api.write_world();
    replica.wait_for("web", Some(4));
    // Whoever knows nothing yet has nothing to serve, and says why.
    for (more, said) in [
        (keys("wrong"), "invalid user ID or password"),
        (keys("password").replace("client.pem", "server.pem"), "etcd cannot be asked"),
    ] {
        let other = folder.path().join("other");
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("test.toml"), config(&etcd.endpoints(), &more, FILES)).unwrap();
        let output = std::process::Command::new(PROGRAM)
            .args(["serve", "--config", other.join("test.toml").to_str().unwrap()])
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{stderr}");
    }
}

/// What three replicas take at most: printed, since it depends on the machine.
#[test]
fn many_writes_at_three_replicas_are_all_answered_by_all() {
    let Some(etcd) = Etcd::start(3, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let replicas = Replica::several(3, &etcd, folder.path());
    replicas[0].api.write_world();
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(4)));
    let (clients, each) = (24_usize, 50_usize);
    let begun = Instant::now();
    thread::scope(|scope| {
        for client in 0..clients {
            let mut connection = replicas[client % 3].api.connect();
            scope.spawn(move || {
                for number in 0..each {
                    let answer = connection.ask("PUT", &format!("{}/A/c{client}-{number}", zone()), "", &set(9));
                    assert_eq!(answer.status, 201, "{}", answer.body);
                }
            });
        }
    });
    let took = begun.elapsed();
    for replica in &replicas {
        for client in 0..clients {
            replica.wait_for(&format!("c{client}-{}", each - 1), Some(9));
        }
    }
    let rate = (clients * each) as f64 / took.as_secs_f64();
    println!(
        "{clients} clients at three replicas, one request each at a time: {rate:.0} writes a second, all answered by all {:?} later",
        begun.elapsed() - took
    );
    let known = etcd.must(&["get", "--prefix", "--keys-only", "/vnetdns/d"]);
    assert_eq!(known.matches("/a/c").count(), clients * each);
}
