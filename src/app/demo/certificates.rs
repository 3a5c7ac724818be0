//! The demo's certificate authority, made on first start, and its server certificate.
//!
//! Both stay in the data folder, so that clients which trust the authority go on trusting it;
//! private keys are readable by their owner only. The authority can sign for nothing but
//! loopback names.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};

use super::{DemoFault, folder_fault};

/// Where the files are.
pub(super) struct Certificates {
    /// The authority, for clients.
    pub(super) ca: PathBuf,
}

const FILES: [&str; 4] = ["ca.pem", "ca.key", "server.pem", "server.key"];

/// Makes the certificates, unless the folder has them.
pub(super) fn prepare(folder: &Path) -> Result<Certificates, DemoFault> {
    let [ca_file, ca_key_file, server_file, server_key_file] = FILES.map(|name| folder.join(name));
    let complete = [&ca_file, &ca_key_file, &server_file, &server_key_file].iter().all(|file| file.exists());
    if !complete {
        let ca_key = KeyPair::generate()?;
        let ca_params = authority()?;
        let ca = ca_params.self_signed(&ca_key)?;
        let server_key = KeyPair::generate()?;
        let issuer = Issuer::from_params(&ca_params, &ca_key);
        let server = server()?.signed_by(&server_key, &issuer)?;
        let files = [
            (&ca_key_file, ca_key.serialize_pem(), 0o600),
            (&ca_file, ca.pem(), 0o644),
            (&server_key_file, server_key.serialize_pem(), 0o600),
            (&server_file, server.pem(), 0o644),
        ];
        for (file, pem, mode) in files {
            write(file, &pem, mode).map_err(|error| folder_fault(folder, &error))?;
        }
    }
    Ok(Certificates { ca: ca_file })
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Tollgate demo authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])),
            GeneralSubtree::IpAddress(CidrSubnet::V6(Ipv6Addr::LOCALHOST.octets(), [0xff; 16])),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn server() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".into()])?;
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    params.distinguished_name.push(DnType::CommonName, "Tollgate demo");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn write(file: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A file that was there keeps its mode, so a half-made set is made anew.
    if file.exists() {
        fs::remove_file(file)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?.write_all(text.as_bytes())
}
