"""Certificates for loopback servers, made when they are needed."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for localhost and 127.0.0.1 with its key, and the authority that vouches for it; PEM files.

    `directory` is what skopeo takes as --src-cert-dir: its `ca.crt` is the authority.
    """

    directory: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.directory / "ca.crt"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.directory / "server-key.pem"

    def server_context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.ca)


def make_certificate(directory: Path, *, identified: bool = True) -> Certificate:
    """Writes an authority and a server certificate of a day to the directory.

    `identified`: with the key identifiers and uses of RFC 5280, which the authorities of EKS clusters leave out.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def build(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        begins = datetime.now(UTC) - timedelta(hours=1)
        draft = x509.CertificateBuilder(issuer_name=authority, subject_name=name(subject), public_key=public)
        draft = draft.serial_number(x509.random_serial_number())
        return draft.not_valid_before(begins).not_valid_after(begins + _LIFETIME)

    authority = name("Longshore loopback authority")
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    known = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    draft = build("Longshore loopback authority", authority_key.public_key())
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    if identified:
        draft = draft.add_extension(known, critical=False).add_extension(_signs(), critical=True)
    authority_certificate = draft.sign(authority_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    draft = build("localhost", key.public_key()).add_extension(names, critical=False)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
    draft = draft.add_extension(issued_by, critical=False) if identified else draft
    certificate = draft.sign(authority_key, hashes.SHA256())

    made = Certificate(directory)
    directory.mkdir(parents=True, exist_ok=True)
    made.ca.write_bytes(authority_certificate.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made.key.write_bytes(key.private_bytes(*form))
    return made


def _signs() -> "x509.KeyUsage":
    from cryptography import x509

    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(
        **dict.fromkeys(uses, False), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
    )
