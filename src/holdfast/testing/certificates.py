"""An authority of a test's own, and the certificates that it signs. Needs `openssl`.

authority = Authority(folder)
authority.server("DNS:models.example", "IP:127.0.0.1")        # the TLS of a server of these names
authority.file, authority.hashed                              # what SSL_CERT_FILE and SSL_CERT_DIR may be set to
"""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Final

_NEW_KEY: Final = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Its certificate is good for a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "authority.pem"
        self._key = folder / "authority.key"
        _openssl(*_NEW_KEY, "-x509", "-days", "1", "-subj", "/CN=Test authority", "-keyout", str(self._key), "-out", str(self.file))

    @property
    def hashed(self) -> Path:
        """A folder that holds the certificate under the name by which OpenSSL looks for it."""
        folder = self._folder / "hashed"
        folder.mkdir(exist_ok=True)
        name = _openssl("x509", "-hash", "-noout", "-in", str(self.file)).strip()
        (folder / f"{name}.0").write_bytes(self.file.read_bytes())
        return folder

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server of these names needs, each as `DNS:NAME` or `IP:ADDRESS`. With `days` of -1 its certificate has expired."""
        asked, key, signed, extension = (self._folder / f"server.{end}" for end in ("csr", "key", "pem", "ext"))
        extension.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl(*_NEW_KEY, "-subj", "/CN=server", "-keyout", str(key), "-out", str(asked))
        by = ("-CA", str(self.file), "-CAkey", str(self._key), "-CAcreateserial", "-days", str(days), "-extfile", str(extension))
        _openssl("x509", "-req", "-in", str(asked), *by, "-out", str(signed))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signed, key)
        return context


def _openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607 - a test's own, of openssl
