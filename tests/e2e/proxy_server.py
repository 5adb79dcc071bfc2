# SPDX-License-Identifier: Apache-2.0
"""Little proxies for tests: CONNECT, requests that are passed on, SOCKS 5. They take every name for this machine."""
import base64
import re
import socket
import ssl
import threading


def pump(a, b, most=1 << 60):
    try:
        while most > 0 and (data := a.recv(min(65536, most))):
            b.sendall(data)
            most -= len(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxy:
    """Use as a context. `user`: "name:password" that must be given. `refuse`: the status that everything is answered with.
    `close`: connections end without a word, when the request is there. `cut`: bytes of a tunnel from the endpoint, after which
    it ends. `tls`: (certificate, key), to be asked over TLS. `asked` has (method, target, head) of each request."""

    def __init__(self, user=None, refuse=None, close=False, cut=None, hang=False, tls=None, socks=False):
        self.user, self.refuse, self.close, self.cut, self.hang, self.socks = user, refuse, close, cut, hang, socks
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.asked, self.connections, self.lock = [], 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'socks5h' if socks else 'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.one, args=(peer,), daemon=True).start()

    def one(self, peer):
        try:
            if self.context:
                peer = self.context.wrap_socket(peer, server_side=True)
            self.serve_socks(peer) if self.socks else self.serve(peer)
        except (OSError, ValueError):
            pass
        finally:
            peer.close()

    @staticmethod
    def exactly(peer, n):
        data = b""
        while len(data) < n:
            more = peer.recv(n - len(data))
            if not more:
                raise OSError("ended")
            data += more
        return data

    def head(self, peer):
        data = b""
        while b"\r\n\r\n" not in data:
            more = peer.recv(65536)
            if not more:
                raise OSError("ended")
            data += more
        head, rest = data.split(b"\r\n\r\n", 1)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        with self.lock:
            self.asked.append((method, target, head.decode()))
        return method, target, head, rest

    def refusal(self, head):
        """The status to answer instead, or None."""
        if self.refuse:
            return self.refuse
        if self.user is None:
            return None
        given = re.search(rb"(?im)^proxy-authorization: basic (\S+)", head)
        return None if given and base64.b64decode(given[1]).decode() == self.user else 407

    def tunnel(self, peer, port, first=b""):
        end = socket.create_connection(("127.0.0.1", port))
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            end.sendall(first)
        threading.Thread(target=pump, args=(peer, end), daemon=True).start()
        pump(end, peer, self.cut or 1 << 60)
        end.close()

    def serve(self, peer):
        method, target, head, rest = self.head(peer)
        if self.close:
            return
        if self.hang:
            peer.recv(1)
            return
        status = self.refusal(head)
        if status:
            wish = b"Proxy-Authenticate: Basic realm=\"tests\"\r\n" if status == 407 else b""
            peer.sendall(b"HTTP/1.1 %d No\r\n%bContent-Length: 2\r\nConnection: close\r\n\r\nno" % (status, wish))
        elif method == "CONNECT":
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.tunnel(peer, int(target.rsplit(":", 1)[1]), rest)
        else:
            host, path = re.fullmatch(r"http://([^/]+)(/.*)", target).groups()
            head = re.sub(rb"(?im)^proxy-[^\r]*\r\n", b"", head.replace(target.encode(), path.encode(), 1))
            head = re.sub(rb"(?im)\r\nconnection:[^\r]*", b"", head) + b"\r\nConnection: close"
            self.tunnel(peer, int(host.rsplit(":", 1)[1]), head + b"\r\n\r\n" + rest)

    def serve_socks(self, peer):
        """RFC 1928, with names and IPv4 numbers, and RFC 1929."""
        methods = self.exactly(peer, self.exactly(peer, 2)[1])
        if self.user is None:
            peer.sendall(b"\x05\x00")
        elif 2 not in methods:
            peer.sendall(b"\x05\xff")
            return
        else:
            peer.sendall(b"\x05\x02")
            user = self.exactly(peer, self.exactly(peer, 2)[1])
            password = self.exactly(peer, self.exactly(peer, 1)[0])
            good = user + b":" + password == self.user.encode()
            peer.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        kind = self.exactly(peer, 4)[3]
        host = self.exactly(peer, 4 if kind == 1 else self.exactly(peer, 1)[0])
        port = int.from_bytes(self.exactly(peer, 2), "big")
        with self.lock:
            self.asked.append(("SOCKS", f"{host.decode(errors='replace')}:{port}", ""))
        if self.refuse:
            peer.sendall(b"\x05" + bytes([self.refuse]) + b"\x00\x01" + bytes(6))
            return
        peer.sendall(b"\x05\x00\x00\x01" + bytes(6))
        self.tunnel(peer, port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
