"""nginx with deploy/nginx.conf, as it stands, before API processes of a test."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from configured import ADMIN_KEY
from dev_run import free_port
from fault_lab.debian import debian_program

DEPLOY = Path(__file__).parents[1] / "deploy"
AROUND = """
daemon off;
pid {home}/pid;
error_log {home}/error.log;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/bodies; proxy_temp_path {home}/proxied; fastcgi_temp_path {home}/f;
    uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
    {server}
}}
"""


@asynccontextmanager
async def nginx_before(home: Path, *ports: int) -> AsyncIterator[ClientSession]:
    """A client of nginx before these ports."""
    async with (
        nginx(home, *ports) as url,
        ClientSession(url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as session,
    ):
        yield session


@asynccontextmanager
async def nginx(home: Path, *ports: int) -> AsyncIterator[str]:
    """The address of nginx before these ports. Of the file only names are changed: hosts, certificates and folders."""
    home.mkdir()
    program, port = debian_program("nginx"), free_port()
    server = (DEPLOY / "nginx.conf").read_text()
    for number, upstream in enumerate(ports, 1):
        server = server.replace(f"server api-{number}:8080", f"server 127.0.0.1:{upstream}")
    lines = [line for line in server.splitlines() if "ssl_certificate" not in line]
    server = "\n".join(lines).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    server = server.replace("/etc/nginx/lavori_proxy.conf", str(DEPLOY / "lavori_proxy.conf"))
    user = "user root;" if os.geteuid() == 0 else ""
    config = home / "nginx.conf"
    config.write_text(AROUND.format(home=home, user=user, server=server))
    command = [str(program.path), "-p", str(home), "-c", str(config), "-e", str(home / "error.log")]
    running = await asyncio.create_subprocess_exec(*command, env=program.environ)
    try:
        async with asyncio.timeout(10):
            while not (home / "pid").exists():
                assert running.returncode is None, (home / "error.log").read_text()
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        await running.wait()
