"""A broker that asks everybody who he is: TLS, SASL (SCRAM and PLAIN) and access lists, with an authority of its own.

For tests, and to be read beside a real cluster's settings. The certificates are made by openssl when asked for and last a day.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

from deploy.kafka.broker import Broker
from deploy.kafka.jars import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ADMIN", "SecuredBroker", "authority"]

ADMIN = "admin"
"""May do everything: makes the first access lists."""
_BROKER = "broker"
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
_LISTENERS = """\
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL
inter.broker.listener.name=SASL_SSL
"""
_SECURITY = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{broker};User:{admin}
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={controller_plain}
listener.name.sasl_ssl.plain.sasl.jaas.config={plain}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.enabled.protocols=TLSv1.3,TLSv1.2
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
"""
_CLIENT = """\
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config={login}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
"""
_CA = ["-subj", "/CN=Headway test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
_EXTENSIONS = """\
subjectAltName=IP:127.0.0.1,DNS:localhost
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


class SecuredBroker(Broker):
    """Every user has a password file, `password_file(user)`, good for SCRAM and PLAIN alike; `authority_file` is what to trust."""

    def __init__(self, data: Path, users: Sequence[str]) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._secrets, self._users = data.absolute() / "secrets", (ADMIN, *users)
        self._secrets.mkdir(mode=0o700, exist_ok=True)
        for user in (_BROKER, *self._users):
            if not self.password_file(user).exists():
                self.password_file(user).write_text(f"{uuid.uuid4().hex}\n", "utf-8")
        self.authority_file = authority(self._secrets)
        _certificate(self._secrets)
        security = _SECURITY.format(
            broker=_BROKER, admin=ADMIN, folder=self._secrets, plain=self._plain(*self._users), controller_plain=self._plain()
        )
        super().__init__(data, listeners=_LISTENERS, properties=security)

    def password_file(self, user: str) -> Path:
        """A file whose first line is the password."""
        return self._secrets / f"{user}.password"

    def tool(self, name: str, user: str, *given: str) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's own tools, such as `org.apache.kafka.tools.AclCommand`, signed in as a user."""
        client = self._secrets / f"{user}.properties"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        client.write_text(
            _CLIENT.format(authority=self.authority_file, login=f'{login} username="{user}" password="{self._password(user)}";')
        )
        return self.run(name, "--bootstrap-server", self.bootstrap, "--command-config", str(client), *given)

    def format(self, *options: str, cluster_id: str | None = None) -> None:
        """As `Broker.format`; the users' SCRAM credentials are part of it."""
        scram = [f"{mechanism}=[name={user},password={self._password(user)}]" for mechanism in _MECHANISMS for user in self._users]
        super().format(*(part for one in scram for part in ("--add-scram", one)), *options, cluster_id=cluster_id)

    def _password(self, user: str) -> str:
        return self.password_file(user).read_text("utf-8").strip()

    def _plain(self, *users: str) -> str:
        """The broker signs in at itself too."""
        known = " ".join(f'user_{user}="{self._password(user)}"' for user in (_BROKER, *users))
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return f'{login} username="{_BROKER}" password="{self._password(_BROKER)}" {known};'


def authority(folder: Path) -> Path:
    """A certificate authority in this folder: its certificate, its key beside it."""
    made = folder / "authority.pem"
    if not made.exists():
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *_CA, "-keyout", str(folder / "authority.key"), "-out", str(made)
        )
    return made


def _certificate(folder: Path) -> None:
    """The broker's key and certificate, in one file as Kafka reads it."""
    key, request, certificate, extensions = (folder / f"broker.{kind}" for kind in ("key", "csr", "crt", "ext"))
    extensions.write_text(_EXTENSIONS, "utf-8")
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(request))
    signed_by = ["-CA", str(folder / "authority.pem"), "-CAkey", str(folder / "authority.key"), "-CAcreateserial"]
    _openssl("x509", "-req", "-in", str(request), "-days", "1", *signed_by, "-extfile", str(extensions), "-out", str(certificate))
    (folder / "broker.pem").write_bytes(key.read_bytes() + certificate.read_bytes())


def _openssl(*given: str) -> None:
    if (openssl := shutil.which("openssl")) is None:
        raise Unavailable("openssl is not there: install it")
    done = subprocess.run([openssl, *given], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"openssl {given[0]} failed: {done.stderr[-500:]}")
