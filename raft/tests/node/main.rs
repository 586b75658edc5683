//! What a cluster of real nodes does for its clients: over HTTP, with real disks, sockets and clocks.

mod cluster;

use cluster::{Cluster, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_anywhere_is_read_everywhere() {
    let cluster = Cluster::start(3, |_| {}).await;
    for (id, value) in [
        (1, json!(7)),
        (2, json!("text")),
        (3, json!(null)),
        (1, json!(-1)),
    ] {
        let (status, answer) = cluster
            .post(id, "/v1/write", json!({"key": "k", "value": value}))
            .await;
        assert_eq!((status, &answer), (200, &json!({})), "through node {id}");
        for id in 1..=3 {
            assert_eq!(
                cluster.post(id, "/v1/read", json!({"key": "k"})).await,
                (200, json!({"value": value}))
            );
        }
    }
    assert_eq!(
        cluster.post(2, "/v1/read", json!({"key": "never"})).await,
        (200, json!({"value": null}))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_cas_tells_what_is_there() {
    let cluster = Cluster::start(3, |_| {}).await;
    let cas = async |id, expected: Value, new: Value| {
        cluster
            .post(
                id,
                "/v1/cas",
                json!({"key": "k", "expected": expected, "new": new}),
            )
            .await
    };
    assert_eq!(
        cas(1, json!(1), json!(2)).await,
        (200, json!({"swapped": false, "current": null}))
    );
    assert_eq!(
        cas(2, json!(null), json!(2)).await,
        (200, json!({"swapped": true}))
    );
    assert_eq!(
        cas(3, json!("2"), json!(3)).await,
        (200, json!({"swapped": false, "current": 2}))
    );
    assert_eq!(
        cas(1, json!(2), json!(null)).await,
        (200, json!({"swapped": true}))
    );
    assert_eq!(cluster.read(2, "k").await, json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_goes_on_where_the_old_one_stopped() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    for (round, key) in ["a", "b", "c"].iter().enumerate() {
        let leader = cluster.leader().await;
        cluster.write(leader, key, round as i64).await;
        cluster.stop(leader).await;
        let next = cluster.leader().await;
        assert_ne!(next, leader);
        cluster.write(next, "last", *key).await;
        for id in cluster.running() {
            assert_eq!(cluster.read(id, key).await, json!(round));
        }
        cluster.restart(leader).await;
        assert_eq!(cluster.read(leader, "last").await, json!(key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_remembers_when_all_nodes_have_forgotten() {
    let mut cluster = Cluster::start(3, |config| config.storage.segment_bytes = 1000).await;
    for n in 0..40 {
        cluster.write(1 + n % 3, &format!("key-{n}"), n).await;
    }
    let term = cluster.status(1).await["term"].as_u64().unwrap();
    for id in 1..=3 {
        cluster.stop(id).await;
    }
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    cluster.leader().await;
    assert!(
        cluster.status(1).await["term"].as_u64().unwrap() > term,
        "terms are remembered too"
    );
    for n in 0..40 {
        assert_eq!(cluster.read(1 + n % 3, &format!("key-{n}")).await, json!(n));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_brings_up_a_node_that_was_away_too_long() {
    let mut cluster = Cluster::start(3, |config| {
        config.snapshot_every = 30;
        config.keep_entries = 5;
        config.storage.segment_bytes = 1000;
    })
    .await;
    cluster.write(1, "early", "yes").await;
    let away = cluster.follower().await;
    let missed = cluster.status(away).await["last_index"].as_u64().unwrap() + 1;
    cluster.stop(away).await;
    let leader = cluster.leader().await;
    for n in 0..200 {
        cluster.write(leader, &format!("key-{}", n % 20), n).await;
    }
    let snapshot = cluster.status(leader).await["snapshot_index"].as_u64().unwrap();
    assert!(
        snapshot > missed + 5,
        "the leader still has entry {missed}: its snapshot ends at {snapshot}"
    );
    let segments = std::fs::read_dir(cluster.data(leader)).unwrap().count();
    assert!(segments < 15, "the leader keeps {segments} files");

    let written = cluster.status(leader).await["applied"].as_u64().unwrap();
    cluster.restart(away).await;
    until("the node that was away has caught up", async || {
        (cluster.status(away).await["applied"].as_u64()? >= written).then_some(())
    })
    .await;
    for (key, value) in [
        ("early", json!("yes")),
        ("key-0", json!(180)),
        ("key-19", json!(199)),
    ] {
        let stale = cluster.post(away, "/v1/stale-read", json!({"key": key})).await;
        assert_eq!(stale, (200, json!({"value": value})), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_go() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    cluster.write(1, "k", 1).await;
    let members = async |cluster: &Cluster, id| -> Vec<(u64, bool)> {
        let status = cluster.status(id).await;
        let members = status["members"].as_array().unwrap().iter();
        members
            .map(|m| (m["id"].as_u64().unwrap(), m["voter"].as_bool().unwrap()))
            .collect()
    };

    let through = cluster.follower().await;
    let address = cluster.join(4);
    let add = json!({"add": {"id": 4, "address": address.to_string()}});
    let (status, answer) = cluster.post(through, "/v1/members", add.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["members"].as_array().unwrap().len(), 4);
    until("all know of the new member", async || {
        for id in 1..=4 {
            if members(&cluster, id).await != [(1, true), (2, true), (3, true), (4, true)] {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert_eq!(cluster.read(4, "k").await, json!(1));
    let (status, answer) = cluster.post(through, "/v1/members", add).await;
    assert_eq!((status, &answer["error"]), (400, &json!("bad-request")));

    let leader = cluster.leader().await;
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    let (status, answer) = cluster.post(leader, "/v1/members", json!({"remove": gone})).await;
    assert_eq!(status, 200, "{answer}");
    cluster.stop(gone).await;
    assert_eq!(members(&cluster, leader).await.len(), 3);
    // Two of the three are a quorum now; two of the four would not have been.
    let other = (1..=3).find(|id| *id != leader && *id != gone).unwrap();
    cluster.stop(other).await;
    cluster.write(4, "k", 2).await;
    assert_eq!(cluster.read(leader, "k").await, json!(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_is_removed_and_comes_back() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    cluster.write(1, "k", 1).await;
    let leader = cluster.leader().await;
    let address = cluster.status(leader).await["members"][leader as usize - 1]["address"].clone();
    // The others must be able to answer it until its removal is committed.
    let (status, answer) = cluster
        .post(leader, "/v1/members", json!({"remove": leader}))
        .await;
    assert_eq!(status, 200, "{answer}");
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    until("another one leads", async || {
        let status = cluster.status(others[0]).await;
        (status["leader"].is_u64() && status["leader"] != leader).then_some(())
    })
    .await;
    cluster.write(others[1], "k", 2).await;
    let add = json!({"add": {"id": leader, "address": address}});
    let (status, answer) = cluster.post(others[0], "/v1/members", add).await;
    assert_eq!(status, 200, "{answer}");
    // It has what it missed, and two of the three are a quorum again, whichever they are.
    cluster.stop(others[0]).await;
    cluster.write(leader, "k", 3).await;
    assert_eq!(cluster.read(leader, "k").await, json!(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_applied_once() {
    let cluster = Cluster::start(3, |_| {}).await;
    let (status, answer) = cluster.post(1, "/v1/session", json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let numbered =
        json!({"key": "k", "expected": null, "new": 1, "session": answer["session"], "sequence": 1});
    for id in 1..=3 {
        let again = cluster.post(id, "/v1/cas", numbered.clone()).await;
        assert_eq!(again, (200, json!({"swapped": true})), "through node {id}");
    }
    let unnumbered = json!({"key": "k", "expected": null, "new": 1});
    let second = cluster.post(1, "/v1/cas", unnumbered).await;
    assert_eq!(second, (200, json!({"swapped": false, "current": 1})));

    let unknown = json!({"key": "k", "value": 2, "session": 999_999, "sequence": 1});
    let (status, answer) = cluster.post(2, "/v1/write", unknown).await;
    assert_eq!((status, &answer["error"]), (410, &json!("session-expired")));
    assert_eq!(cluster.read(3, "k").await, json!(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_there_is_no_answer_but_a_stale_one() {
    let mut cluster = Cluster::start(3, |config| {
        config.request_timeout = std::time::Duration::from_millis(500);
    })
    .await;
    let survivor = cluster.follower().await;
    cluster.write(survivor, "k", 1).await;
    assert_eq!(cluster.read(survivor, "k").await, json!(1));
    for id in (1..=3).filter(|id| *id != survivor) {
        cluster.stop(id).await;
    }
    let (status, answer) = cluster.post(survivor, "/v1/read", json!({"key": "k"})).await;
    assert!(status == 503 || status == 504, "{status} {answer}");
    assert_eq!(answer["happened"], "no", "{answer}");
    let stale = cluster
        .post(survivor, "/v1/stale-read", json!({"key": "k"}))
        .await;
    assert_eq!(stale, (200, json!({"value": 1})));

    // Once the survivor knows that there is no leader, it knows that what it refuses has not happened.
    until("the survivor knows of no leader", async || {
        cluster.status(survivor).await["leader"].is_null().then_some(())
    })
    .await;
    let (status, answer) = cluster
        .post(survivor, "/v1/write", json!({"key": "k", "value": 2}))
        .await;
    assert_eq!(
        (status, &answer["error"], &answer["happened"]),
        (503, &json!("no-leader"), &json!("no"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_its_quorum_leaves_the_doubt_to_the_client() {
    let mut cluster = Cluster::start(3, |config| {
        config.request_timeout = std::time::Duration::from_millis(300);
    })
    .await;
    let leader = cluster.leader().await;
    cluster.write(leader, "k", 1).await;
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.stop(id).await;
    }
    let (status, answer) = cluster
        .post(leader, "/v1/write", json!({"key": "k", "value": 2}))
        .await;
    assert!(status == 503 || status == 504, "{status} {answer}");
    assert_eq!(answer["happened"], "maybe", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over() {
    let cluster = Cluster::start(3, |_| {}).await;
    let leader = cluster.leader().await;
    let next = cluster.follower().await;
    let (status, answer) = cluster
        .post(next, "/v1/transfer-leadership", json!({"to": next}))
        .await;
    assert_eq!((status, &answer), (200, &json!({"leader": next})));
    assert_eq!(cluster.leader().await, next);
    let (status, answer) = cluster
        .post(leader, "/v1/transfer-leadership", json!({"to": 9}))
        .await;
    assert_eq!((status, &answer["error"]), (400, &json!("bad-request")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_and_has_not_happened() {
    let cluster = Cluster::start(1, |_| {}).await;
    let cases = [
        ("/v1/read", json!({}), 400),
        ("/v1/read", json!({"key": 1}), 400),
        ("/v1/read", json!({"key": "k", "kye": "k"}), 400),
        ("/v1/write", json!({"key": "k"}), 400),
        ("/v1/write", json!({"key": "k", "value": 1.5}), 400),
        ("/v1/write", json!({"key": "k", "value": true}), 400),
        ("/v1/write", json!({"key": "k", "value": 1, "session": 1}), 400),
        ("/v1/write", json!({"key": "k".repeat(1 << 17), "value": 1}), 400),
        ("/v1/cas", json!({"key": "k", "new": 1}), 400),
        ("/v1/members", json!({"remove": 9}), 400),
        ("/v1/members", json!({"remove": 1}), 400),
        ("/v1/members", json!({"promote": 1}), 400),
        ("/v1/nothing", json!({}), 404),
        ("/status", json!({}), 404),
    ];
    for (path, body, expected) in cases {
        let shown: String = body.to_string().chars().take(80).collect();
        let (status, answer) = cluster.post(1, path, body).await;
        assert_eq!(status, expected, "{path} {shown}: {answer}");
        assert_eq!(answer["happened"], "no", "{path} {shown}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty(), "{path} {shown}");
    }
    assert_eq!(cluster.read(1, "k").await, json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_what_it_knows() {
    let cluster = Cluster::start(1, |_| {}).await;
    cluster.write(1, "k", 1).await;
    let status = cluster.status(1).await;
    for (field, expected) in [("id", json!(1)), ("role", json!("leader")), ("leader", json!(1))] {
        assert_eq!(status[field], expected, "{status}");
    }
    assert_eq!(status["commit"], status["applied"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let metrics = cluster.get(1, "/metrics").await;
    let value = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("raft_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(value("elections_total"), 1.0);
    assert_eq!(value("proposals_total"), 1.0);
    assert!(
        value("commits_total") >= 2.0 && value("fsyncs_total") >= 2.0 && value("fsync_seconds_total") > 0.0
    );
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let mut cluster = Cluster::start(1, |_| {}).await;
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = raft::node::NodeConfig::new(1, cluster.data(1), any, any);
    let error = raft::node::run(config).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    cluster.stop(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_is_repeated_at_most_once_under_a_session() {
    let cluster = Cluster::start(3, |_| {}).await;
    let add = async |id, body: Value| cluster.post(id, "/v1/add", body).await;
    let (_, session) = cluster.post(1, "/v1/session", json!({})).await;
    let numbered =
        |sequence| json!({"key": "n", "value": 5, "session": session["session"], "sequence": sequence});
    let cases = [
        (
            json!({"key": "n", "value": 3}),
            json!({"added": true, "value": 3}),
        ),
        (
            json!({"key": "n", "value": 3}),
            json!({"added": true, "value": 6}),
        ),
        (numbered(1), json!({"added": true, "value": 11})),
        (numbered(1), json!({"added": true, "value": 11})),
        (numbered(2), json!({"added": true, "value": 16})),
    ];
    for (id, (body, expected)) in (1..=3).cycle().zip(cases) {
        assert_eq!(add(id, body.clone()).await, (200, expected), "{body}");
    }
    cluster.write(1, "t", "text").await;
    assert_eq!(
        add(2, json!({"key": "t", "value": 1})).await,
        (200, json!({"added": false, "current": "text"}))
    );
}

/// On the way one of them is restored from a snapshot and all are started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_agree_have_the_same_digests() {
    let mut cluster = Cluster::start(3, |config| {
        config.snapshot_every = 50;
        config.keep_entries = 5;
    })
    .await;
    let away = cluster.follower().await;
    cluster.stop(away).await;
    let leader = cluster.leader().await;
    for n in 0..300 {
        cluster.write(leader, &format!("key-{}", n % 7), n).await;
    }
    let led = cluster.status(leader).await;
    assert!(
        led["led_terms"].as_array().unwrap().contains(&led["term"]),
        "{led}"
    );
    assert_eq!(led["checkpoints"][0]["index"], 256, "{led}");
    cluster.restart(away).await;
    for restarted in [None, Some(1), Some(2), Some(3)] {
        if let Some(id) = restarted {
            cluster.stop(id).await;
            cluster.restart(id).await;
        }
        let through = cluster.leader().await;
        cluster.write(through, "key-0", restarted).await;
        let digest = until("all nodes are at the same index", async || {
            let mut digests = Vec::new();
            for id in 1..=3 {
                let status = cluster.status(id).await;
                assert_eq!(status["conflicts"], 0, "{status}");
                digests.push(status["digest"].clone());
            }
            let index = &digests[0]["index"];
            let same = digests.iter().all(|digest| digest["index"] == *index);
            (same && index.as_u64()? > 300).then_some(digests)
        })
        .await;
        assert!(digest.iter().all(|one| *one == digest[0]), "{digest:?}");
    }
}
