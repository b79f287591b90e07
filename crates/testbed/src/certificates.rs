//! A mesh's identities: a certificate authority and SPIFFE leaf certificates, as PEM files for Envoy
//! and as rustls configurations for the pods and the client.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    ServerConfig, SignatureScheme,
};

const TRUST_DOMAIN: &str = "cluster.local";

/// Issues the certificates of one mesh. Nobody else has its key, so that two testbeds cannot be
/// mixed up unnoticed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Who a peer is: a certificate for `spiffe://cluster.local/ns/NAMESPACE/sa/ACCOUNT`, its key, and
/// the authority that it trusts. All PEM.
#[derive(Clone)]
pub struct Identity {
    certificate: String,
    key: String,
    authority: String,
}

impl Authority {
    pub fn new() -> Result<Self> {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, TRUST_DOMAIN);
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)
            .context("cannot make the certificate authority")?;
        Ok(Self { issuer })
    }

    /// A certificate for a service account, good as a client's and as a server's.
    pub fn issue(&self, namespace: &str, service_account: &str) -> Result<Identity> {
        self.issue_for(&format!(
            "spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{service_account}"
        ))
    }

    /// A certificate for any URI.
    pub fn issue_for(&self, uri: &str) -> Result<Identity> {
        let mut params = CertificateParams::default();
        // Istio's certificates have no subject either: the URI is all there is to a name.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("cannot issue a certificate for {uri}"))?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: self.issuer.pem(),
        })
    }
}

impl Identity {
    /// Writes `NAME.pem`, `NAME-key.pem` and `ca.pem`.
    pub fn write(&self, directory: &Path, name: &str) -> Result<()> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        for (file, text) in [
            (format!("{name}.pem"), &self.certificate),
            (format!("{name}-key.pem"), &self.key),
            ("ca.pem".to_string(), &self.authority),
        ] {
            let path = directory.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads what [`Identity::write`] wrote.
    pub fn read(directory: &Path, name: &str) -> Result<Self> {
        let read = |file: String| {
            let path = directory.join(file);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self {
            certificate: read(format!("{name}.pem"))?,
            key: read(format!("{name}-key.pem"))?,
            authority: read("ca.pem".to_string())?,
        })
    }

    /// TLS 1.3 and HTTP/2 only, as ztunnel speaks; the server is held to the mesh, not to a name.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>> {
        let mut config = self
            .client_builder()?
            .with_client_auth_cert(self.chain()?, self.private_key()?)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// TLS 1.3 and HTTP/2 only, and no client without a certificate of the mesh.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>> {
        let provider = provider();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), provider.clone())
                .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain()?, self.private_key()?)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// For an application that speaks TLS through the mesh, which knows nothing of HBONE.
    pub fn application_server_config(&self) -> Result<Arc<ServerConfig>> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(self.chain()?, self.private_key()?)?;
        Ok(Arc::new(config))
    }

    /// The client's end of it, which names the server it wants or does not.
    pub fn application_client_config(&self, names_server: bool) -> Result<Arc<ClientConfig>> {
        let mut config = self.client_builder()?.with_no_client_auth();
        config.enable_sni = names_server;
        Ok(Arc::new(config))
    }

    /// TLS 1.3 to servers of the mesh, whatever name they are called by.
    fn client_builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
        let provider = provider();
        let verifier = MeshVerifier {
            roots: self.roots()?,
            provider: provider.clone(),
        };
        Ok(ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier)))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes())?)?;
        Ok(roots)
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>> {
        Ok(vec![CertificateDer::from_pem_slice(
            self.certificate.as_bytes(),
        )?])
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>> {
        Ok(PrivateKeyDer::from_pem_slice(self.key.as_bytes())?)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Accepts a server whose certificate the authority signed for a name in the trust domain. A mesh
/// certificate has no DNS name, so that the usual check of the server's name cannot apply.
#[derive(Debug)]
struct MeshVerifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for MeshVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        let prefix = format!("spiffe://{TRUST_DOMAIN}/");
        let in_mesh = webpki::EndEntityCert::try_from(end_entity)
            .map_err(|_| CertificateError::BadEncoding)?
            .valid_uri_names()
            .any(|uri| uri.starts_with(&prefix));
        if !in_mesh {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
