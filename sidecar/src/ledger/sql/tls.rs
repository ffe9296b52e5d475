//! How PostgreSQL is reached over TLS: its certificate is checked against what the system trusts.

use super::fault::{Error, Result};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) fn connector() -> Result<MakeRustlsConnect> {
    crate::fetch::install_provider();
    let config = ClientConfig::with_platform_verifier().map_err(Error::new)?;
    Ok(MakeRustlsConnect::new(config))
}
