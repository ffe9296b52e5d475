//! The plugin that counts connections, over a host that fails.

use super::*;

/// Configures the plugin; whether it can be used.
fn opens(cap: &str, fault: Option<(usize, Fault)>) -> bool {
    host(|host| {
        host.fault = fault;
        host.now_ns = 1_790_000_000_000_000_000;
        host.root_id = "gatewaystack_connections";
        host.configuration = cap.as_bytes().to_vec();
    });
    start()
}

/// Whether a connection stays, all from one address.
fn comes(context: u32) -> bool {
    proxy_on_context_create(context, ROOT);
    proxy_on_new_connection(context) == CONTINUE
}

#[test]
fn an_address_has_as_many_as_it_may_and_gets_back_what_it_closes() {
    let life = || {
        assert!(opens("2", None));
        let came: Vec<bool> = (2..6).map(comes).collect();
        assert_eq!(came, [true, true, false, false]);
        assert_eq!(host(|host| host.closed), 2);
        // The host deletes what was closed, too: it was never counted.
        proxy_on_delete(4);
        assert!(!comes(6));
        proxy_on_delete(2);
        assert!(comes(7));
        proxy_on_tick(ROOT);
        assert!(!comes(8));
        proxy_on_delete(ROOT);
        proxy_on_delete(3);
    };
    std::thread::spawn(life).join().unwrap();
}

#[test]
fn a_number_that_can_not_be_read_is_refused() {
    for cap in ["", "0", "-1", "many", "4294967296", "99999999999999999999"] {
        let life = move || assert!(!opens(cap, None), "{cap}");
        std::thread::spawn(life).join().unwrap();
    }
}

/// Anyone who can't be counted stays: requests are judged all the same.
#[test]
fn whatever_call_fails_nothing_panics_and_no_connection_is_closed_without_need() {
    for fault in (0..40).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
        let life = move || {
            if !opens("3", Some(fault)) {
                return;
            }
            proxy_on_tick(ROOT);
            assert!((2..5).all(comes), "{fault:?}");
            (2..5).for_each(|context| proxy_on_delete(context));
            assert!(comes(5), "{fault:?}");
        };
        std::thread::spawn(life).join().unwrap();
    }
}
