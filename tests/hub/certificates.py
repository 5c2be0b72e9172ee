"""An authority of the test's own and what it certifies, by the program openssl."""
import subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.file = folder / f"{name}.pem"
        self.openssl("req", "-x509", *NEW_KEY, "-keyout", f"{name}.key", "-out", self.file, "-days", "2", "-subj", f"/CN=the test's {name}",
                     "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def certify(self, *names):
        """The files (chain, key) of a server of these names: DNS:host or IP:address."""
        stem = f"{self.name}-{len(list(self.folder.glob('*.csr')))}"
        (self.folder / f"{stem}.ext").write_text(f"subjectAltName={','.join(names)}\n")
        self.openssl("req", *NEW_KEY, "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", "/CN=a server")
        self.openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", self.file, "-CAkey", f"{self.name}.key", "-CAcreateserial", "-days", "2",
                     "-extfile", f"{stem}.ext", "-out", f"{stem}.pem")
        return self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
