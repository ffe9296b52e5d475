//! For containers, where each part has a loopback of its own: variables in, the address to connect to out.
//!
//! `STATS_PORT` is where Envoy serves its statistics to other containers. `SIDECAR_HOST` says under which
//! name Envoy finds the sidecar, which listens there. `CONNECT_TO` says where the servers are that the
//! configuration calls loopback: `127.0.0.1:5051=demo:5051`, a comma list. Only the connection goes
//! elsewhere; URL and `Host` stay as configured, so that an issuer has the one name that its tokens and the
//! user's browser know it by.

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Own;
use std::net::IpAddr;

const CONNECT_TO: &str = "CONNECT_TO";
const SIDECAR_HOST: &str = "SIDECAR_HOST";
const STATS_PORT: &str = "STATS_PORT";

/// Where servers are that the configuration calls loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectTo(Vec<(Place, Place)>);

/// Host and port.
type Place = (String, u16);

impl ConnectTo {
    /// Reads `CONNECT_TO`. What travels there is as unprotected as on loopback, so it must stay inside
    /// (`ALLOW_INSECURE_JWKS=true` says that this is known).
    ///
    /// # Errors
    /// What was expected of the variable.
    pub fn read(env: &Environment) -> Result<Self, ConfigError> {
        let Some(text) = set(env, CONNECT_TO) else { return Ok(Self::default()) };
        let error = |message: &str| ConfigError::new(CONNECT_TO, message);
        if set(env, "ALLOW_INSECURE_JWKS") != Some("true") {
            return Err(error("needs ALLOW_INSECURE_JWKS=true: keys travel over the network without TLS"));
        }
        let expected =
            || error("expected LOOPBACK:PORT=NAME:PORT, such as 127.0.0.1:5051=demo:5051; comma list");
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
            let (from, to) = pair.split_once('=').ok_or_else(expected)?;
            let (from, to) = place(from).zip(place(to)).ok_or_else(expected)?;
            match is_loopback(&from.0) && is_inside(&to.0) {
                true => Ok((from, to)),
                false => Err(error(
                    "expected a loopback address before `=`, and behind it a host without a dot or under .svc, .svc.cluster.local or .internal",
                )),
            }
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Where to connect for `host` and `port`, where that is elsewhere.
    pub fn of(&self, host: &str, port: u16) -> Option<(&str, u16)> {
        let found = self.0.iter().find(|(from, _)| from.0 == host && from.1 == port);
        found.map(|(_, to)| (to.0.as_str(), to.1))
    }

    /// A URL to connect to and the `Host` to name there, where the server of this one is elsewhere.
    pub fn url<'a>(&self, url: &'a str) -> Option<(String, &'a str)> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
        let (host, port) = place(authority)?;
        let (host, port) = self.of(&host, port)?;
        Some((format!("http://{host}:{port}{path}"), authority))
    }
}

/// The host at which Envoy finds the sidecar, and at which that listens: loopback where nothing is said.
///
/// # Errors
/// What was expected of the variable.
pub fn sidecar_host(env: &Environment) -> Result<String, ConfigError> {
    match set(env, SIDECAR_HOST) {
        None => Ok("127.0.0.1".to_owned()),
        Some(host) if host.parse::<IpAddr>().is_ok() || is_loopback(host) || is_inside(host) => {
            Ok(host.to_owned())
        }
        Some(_) => Err(ConfigError::new(
            SIDECAR_HOST,
            "expected an address, or a host without a dot or under .svc, .svc.cluster.local or .internal",
        )),
    }
}

/// The port of the listener that serves Envoy's statistics alone, at `/stats/prometheus`; none where nothing
/// is said.
///
/// # Errors
/// What was expected of the variable.
pub fn stats_port(env: &Environment, own: &Own) -> Result<Option<u16>, ConfigError> {
    let Some(text) = set(env, STATS_PORT) else { return Ok(None) };
    let port = text.parse().ok().filter(|port| *port > 0);
    let taken = [own.port, own.sidecar_port, own.admin_port];
    match port.filter(|port| !taken.contains(port)) {
        Some(port) => Ok(Some(port)),
        None => Err(ConfigError::new(STATS_PORT, "expected a port from 1 to 65535 that no other part has")),
    }
}

fn set<'e>(env: &'e Environment, name: &str) -> Option<&'e str> {
    env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn place(text: &str) -> Option<Place> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// As for `ALLOW_INSECURE_JWKS`: a name that no public server has.
fn is_inside(host: &str) -> bool {
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let inside = [".svc", ".svc.cluster.local", ".internal"];
    // Digits alone are an address to some resolvers.
    let is_number = host.bytes().all(|b| b.is_ascii_digit());
    is_name && !is_number && (!host.contains('.') || inside.iter().any(|end| host.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::{ConnectTo, sidecar_host};
    use gatewaystack_core::config::Environment;

    fn env(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn connect_to(text: &str) -> Result<ConnectTo, String> {
        let env = env(&[("CONNECT_TO", text), ("ALLOW_INSECURE_JWKS", "true")]);
        ConnectTo::read(&env).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_connection_goes_elsewhere() {
        let elsewhere = connect_to("127.0.0.1:5051=demo:5051, localhost:80=web.internal:8080").unwrap();
        for (url, expect) in [
            ("http://127.0.0.1:5051/a?b=c", Some(("http://demo:5051/a?b=c", "127.0.0.1:5051"))),
            ("http://127.0.0.1:5051", Some(("http://demo:5051", "127.0.0.1:5051"))),
            ("http://127.0.0.1:5052/a", None),
            ("https://127.0.0.1:5051/a", None),
            ("http://idp.example/a", None),
        ] {
            let got = elsewhere.url(url);
            assert_eq!(got.as_ref().map(|(url, host)| (url.as_str(), *host)), expect, "{url}");
        }
        assert_eq!(elsewhere.of("localhost", 80), Some(("web.internal", 8080)));
        assert_eq!(ConnectTo::read(&env(&[])), Ok(ConnectTo::default()));
    }

    #[test]
    fn what_would_leave_the_network_is_refused() {
        for text in [
            "127.0.0.1:5051=evil.example:80",
            "127.0.0.1:5051=203.0.113.1:80",
            "idp.example:443=demo:5051",
            "127.0.0.1:5051",
            "127.0.0.1=demo",
            "127.0.0.1:0=demo:1",
        ] {
            assert!(connect_to(text).unwrap_err().starts_with("CONNECT_TO: "), "{text}");
        }
        let unsaid = ConnectTo::read(&env(&[("CONNECT_TO", "127.0.0.1:1=demo:1")])).unwrap_err();
        assert!(unsaid.to_string().contains("ALLOW_INSECURE_JWKS"), "{unsaid}");
    }

    #[test]
    fn the_sidecar_is_on_loopback_or_inside() {
        for (host, good) in
            [("", true), ("sidecar", true), ("10.0.0.7", true), ("::", true), ("a.example", false)]
        {
            assert_eq!(sidecar_host(&env(&[("SIDECAR_HOST", host)])).is_ok(), good, "{host}");
        }
        assert_eq!(sidecar_host(&env(&[])).unwrap(), "127.0.0.1");
    }
}
