//! What the Redises and the sentinels report about the cluster, and what follows from it. Pure.
//!
//! Sources: the documentation of the commands ROLE and SENTINEL MASTER.

use std::collections::HashMap;
use std::net::SocketAddr;

use redis::Value;

/// What a Redis reports about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes writes.
    Master,
    /// It copies another one.
    Replica {
        /// Which one; `None` if that is not an address.
        of: Option<SocketAddr>,
        /// Whether the first copy is complete and the link is up.
        is_connected: bool,
    },
}

/// What a sentinel reports about the master and about those that watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Where it is.
    pub master: SocketAddr,
    /// The number of the failover that made it master; it grows with each.
    pub epoch: u64,
    /// `master`, with `s_down`, `o_down`, `failover_in_progress`, … besides, separated by commas.
    pub flags: String,
    /// How many replicas it has.
    pub replicas: usize,
    /// How many other sentinels watch it.
    pub other_sentinels: usize,
}

/// What one node's two daemons report, as far as they answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub role: Option<Role>,
    pub view: Option<View>,
}

/// The answer to `ROLE`.
pub(super) fn role(answer: &Value) -> Option<Role> {
    let Value::Array(parts) = answer else { return None };
    match (text(parts.first()?)?, &parts[1..]) {
        ("master", _) => Some(Role::Master),
        ("slave", [host, Value::Int(port), state, ..]) => Some(Role::Replica {
            of: address(text(host)?, &port.to_string()),
            is_connected: text(state)? == "connected",
        }),
        _ => None,
    }
}

/// The answer to `SENTINEL MASTER`, names and values in turn.
pub(super) fn view(answer: &HashMap<String, String>) -> Option<View> {
    let number = |name: &str| answer.get(name)?.parse::<u64>().ok();
    Some(View {
        master: address(answer.get("ip")?, answer.get("port")?)?,
        epoch: number("config-epoch")?,
        flags: answer.get("flags")?.clone(),
        replicas: number("num-slaves")? as usize,
        other_sentinels: number("num-other-sentinels")? as usize,
    })
}

/// The masters, the newest first. Several Redises can believe that they are the master: one that a failover
/// has replaced learns of it only when a sentinel reaches it. The number that the sentinels give each
/// failover tells which is the newest; how much a master has replicated does not, since a deposed one may
/// have taken more writes than its successor. One that no sentinel names comes last.
pub(super) fn masters(servers: &[SocketAddr], said: &[Said]) -> Vec<usize> {
    let epoch = |node: usize| {
        let views = said.iter().filter_map(|said| said.view.as_ref());
        views
            .filter(|view| view.master == servers[node])
            .map(|view| view.epoch)
            .max()
    };
    let mut masters: Vec<_> = (0..servers.len().min(said.len()))
        .filter(|&node| said[node].role == Some(Role::Master))
        .map(|node| (epoch(node), node))
        .collect();
    masters.sort_by_key(|&(epoch, node)| (std::cmp::Reverse(epoch), node));
    masters.into_iter().map(|(_, node)| node).collect()
}

/// Why the cluster is not whole, if it is not: all must agree on one master, every other Redis must have its
/// data, and the sentinels must know all, so that they can replace it.
pub(super) fn problem(names: &[&str], servers: &[SocketAddr], said: &[Said]) -> Option<String> {
    let mut agreed = None;
    for (name, said) in names.iter().zip(said) {
        if said.role.is_none() {
            return Some(format!("no answer from the Redis of {name}"));
        }
        let Some(view) = &said.view else {
            return Some(format!("no answer from the sentinel of {name}"));
        };
        if *agreed.get_or_insert(view.master) != view.master {
            return Some("the sentinels do not agree on a master".into());
        }
        if view.flags != "master" {
            return Some(format!(
                "the sentinel of {name} reports the master as {}",
                view.flags
            ));
        }
        let others = names.len() - 1;
        if view.replicas < others || view.other_sentinels < others {
            return Some(format!(
                "the sentinel of {name} knows {} replicas and {} other sentinels",
                view.replicas, view.other_sentinels
            ));
        }
    }
    for ((name, server), said) in names.iter().zip(servers).zip(said) {
        let is_well = match said.role {
            Some(Role::Master) => agreed == Some(*server),
            Some(Role::Replica { of, is_connected }) => is_connected && of == agreed,
            None => false,
        };
        if !is_well {
            return Some(format!("{name} does not follow the master yet"));
        }
    }
    None
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn address(host: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn replica(of: u16) -> Role {
        Role::Replica {
            of: Some(server(of)),
            is_connected: true,
        }
    }

    fn view_of(master: u16, epoch: u64) -> View {
        View {
            master: server(master),
            epoch,
            flags: "master".into(),
            replicas: 2,
            other_sentinels: 2,
        }
    }

    fn said(role: Role, view: View) -> Said {
        Said {
            role: Some(role),
            view: Some(view),
        }
    }

    #[test]
    fn roles_are_understood() {
        let cases: &[(&str, Option<Role>)] = &[
            ("*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n", Some(Role::Master)),
            (
                "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:2\r\n$9\r\nconnected\r\n:3167038\r\n",
                Some(replica(2)),
            ),
            (
                "*5\r\n$5\r\nslave\r\n$4\r\nhost\r\n:2\r\n$4\r\nsync\r\n:-1\r\n",
                Some(Role::Replica {
                    of: None,
                    is_connected: false,
                }),
            ),
            ("*2\r\n$8\r\nsentinel\r\n*0\r\n", None),
            ("*0\r\n", None),
            ("+OK\r\n", None),
        ];
        for (answer, expected) in cases {
            let answer = redis::parse_redis_value(answer.as_bytes()).unwrap();
            assert_eq!(&role(&answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn views_are_understood() {
        let pairs = [
            ("name", "perjury"),
            ("ip", "10.0.0.1"),
            ("port", "2"),
            ("flags", "s_down,master"),
            ("num-slaves", "2"),
            ("num-other-sentinels", "2"),
            ("config-epoch", "4"),
        ];
        let whole: HashMap<String, String> = (pairs.iter())
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let expected = View {
            flags: "s_down,master".into(),
            ..view_of(2, 4)
        };
        assert_eq!(view(&whole), Some(expected));
        for missing in [
            "ip",
            "port",
            "flags",
            "num-slaves",
            "num-other-sentinels",
            "config-epoch",
        ] {
            let mut answer = whole.clone();
            answer.remove(missing);
            assert_eq!(view(&answer), None, "without {missing}");
        }
    }

    #[test]
    fn the_newest_master_comes_first() {
        let servers = [server(1), server(2), server(3)];
        let cases = [
            (
                "one master",
                [
                    said(Role::Master, view_of(1, 0)),
                    said(replica(1), view_of(1, 0)),
                    said(replica(1), view_of(1, 0)),
                ],
                vec![0],
            ),
            (
                "the first is cut off, the second was chosen",
                [
                    said(Role::Master, view_of(1, 0)),
                    said(Role::Master, view_of(2, 1)),
                    said(replica(2), view_of(2, 1)),
                ],
                vec![1, 0],
            ),
            (
                "the first came back and no sentinel names it any more",
                [
                    said(Role::Master, view_of(3, 7)),
                    Said::default(),
                    said(Role::Master, view_of(3, 7)),
                ],
                vec![2, 0],
            ),
            (
                "silence",
                [Said::default(), Said::default(), Said::default()],
                vec![],
            ),
        ];
        for (what, said, expected) in cases {
            assert_eq!(masters(&servers, &said), expected, "{what}");
        }
    }

    #[test]
    fn a_cluster_is_whole_when_all_agree() {
        let servers = [server(1), server(2)];
        let names = ["n1", "n2"];
        let whole = [said(Role::Master, view_of(1, 0)), said(replica(1), view_of(1, 0))];
        assert_eq!(problem(&names, &servers, &whole), None);
        let spoil = |change: fn(&mut [Said; 2])| {
            let mut said = whole.clone();
            change(&mut said);
            problem(&names, &servers, &said).unwrap_or_default()
        };
        let cases = [
            (
                spoil(|said| said[1].role = None),
                "no answer from the Redis of n2",
            ),
            (
                spoil(|said| said[0].view = None),
                "no answer from the sentinel of n1",
            ),
            (
                spoil(|said| said[1].view = Some(view_of(2, 1))),
                "the sentinels do not agree on a master",
            ),
            (
                spoil(|said| {
                    if let Some(view) = &mut said[1].view {
                        view.flags = "master,o_down".into();
                    }
                }),
                "the sentinel of n2 reports the master as master,o_down",
            ),
            (
                spoil(|said| {
                    if let Some(view) = &mut said[0].view {
                        view.other_sentinels = 0;
                    }
                }),
                "the sentinel of n1 knows 2 replicas and 0 other sentinels",
            ),
            (
                spoil(|said| said[1].role = Some(Role::Master)),
                "n2 does not follow the master yet",
            ),
            (
                spoil(|said| said[0].role = Some(replica(2))),
                "n1 does not follow the master yet",
            ),
            (
                spoil(|said| {
                    said[1].role = Some(Role::Replica {
                        of: Some(server(1)),
                        is_connected: false,
                    })
                }),
                "n2 does not follow the master yet",
            ),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }
}
