//! A relay of one's own: the real server, with a certificate that an authority of one's own signed.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use iroh_relay::defaults::{DEFAULT_HTTP_PORT, DEFAULT_HTTPS_PORT, DEFAULT_RELAY_QUIC_PORT};
use iroh_relay::server::{CertConfig, QuicConfig, RelayConfig, Server, ServerConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::part::ready;

/// Makes an authority, and the certificate that it gives to the relays at these addresses. Returns what a node has to know: the authority's
/// certificate.
pub fn certify(directory: &Path, addresses: &[&str]) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let relay = CertificateParams::new(
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    );
    let relay = relay.unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = relay.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join("relay.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("relay.key"), key.serialize_pem()).unwrap();
    authority_pem
}

/// Runs the relay at the ports that it has by default, until it is killed.
pub fn serve(directory: &Path) {
    let certificate = CertificateDer::from_pem_file(directory.join("relay.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("relay.key")).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(iroh_relay::tls::default_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let any = Ipv4Addr::UNSPECIFIED;
    let mut relay = RelayConfig::new((any, DEFAULT_HTTP_PORT));
    relay.tls = Some(TlsConfig::new(
        (any, DEFAULT_HTTPS_PORT),
        CertConfig::Manual { server_config: tls },
    ));
    let mut config = ServerConfig::default();
    config.relay = Some(relay);
    config.quic = Some(QuicConfig::new((any, DEFAULT_RELAY_QUIC_PORT)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut server = Server::spawn(config).await.unwrap();
        ready();
        let ended = server.join().await;
        panic!("the relay ended: {ended:?}");
    });
}
