"""The official Python SDK and FastMCP as clients: `python client.py mcp|fastmcp MCP_URL legacy|auto`.

Each signs in by itself; only the consent is given by us. Prints one JSON object: what each step gave, and every request
that was made, in the order in which they were answered.
"""

import asyncio
import json
import re
import sys
import traceback
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import httpx2

PACKAGE, URL, MODE = sys.argv[1:4]
steps: dict[str, object] = {}
requests: list[dict[str, object]] = []


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def consent(authorization_url: str, user: str) -> dict[str, list[str]]:
    """What a person does in the browser: ticks what was asked for, allows. The callback's parameters."""
    opener = build_opener(NoRedirect)
    page = opener.open(authorization_url).read().decode()
    request = re.search(r'name="request" value="([^"]*)"', page).group(1)
    ticked = re.findall(r'name="scope:([^"]*)" value="on" checked', page)
    form = {"request": request, "scopes": "chosen", "sub": user, "decision": "allow"}
    form |= {f"scope:{scope}": "on" for scope in ticked}
    try:
        opener.open(Request(urljoin(authorization_url, "/authorize/decision"), urlencode(form).encode()))
    except OSError as answer:
        return parse_qs(urlsplit(answer.headers["location"]).query)
    raise RuntimeError("no redirect")


async def noted(response: httpx2.Response) -> None:
    request = response.request
    try:
        body = json.loads(request.content)
    except (ValueError, httpx2.RequestNotRead):
        body = {}
    rpc = [body.get("method"), (body.get("params") or {}).get("name")] if isinstance(body, dict) else []
    requests.append(
        {
            "request": f"{request.method} {request.url.path}",
            "rpc": " ".join(filter(None, rpc)) or None,
            "version": request.headers.get("mcp-protocol-version"),
            "status": response.status_code,
        }
    )


class Browser:
    """The two callbacks of the SDK's provider."""

    def __init__(self):
        self.callback: dict[str, list[str]] = {}
        self.opened = 0

    async def open(self, url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        self.opened += 1
        steps[f"sign-in {self.opened}: asked for"] = query.get("scope", [None])[0]
        steps[f"sign-in {self.opened}: resource"] = query.get("resource", [None])[0]
        self.callback = await asyncio.to_thread(consent, url, "bob")

    async def answer(self):
        from mcp.client.auth import AuthorizationCodeResult

        one = {name: values[0] for name, values in self.callback.items()}
        return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


class Kept:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def with_mcp():
    from mcp.client import Client
    from mcp.client.auth import OAuthClientProvider
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.auth import OAuthClientMetadata

    browser = Browser()
    metadata = OAuthClientMetadata(client_name="Python SDK", redirect_uris=["http://127.0.0.1:1/callback"])
    auth = OAuthClientProvider(URL, metadata, Kept(), browser.open, browser.answer)
    http = httpx2.AsyncClient(auth=auth, event_hooks={"response": [noted]})
    return Client(streamable_http_client(URL, http_client=http), mode=MODE)


def with_fastmcp():
    from fastmcp import Client
    from fastmcp.client.auth import OAuth
    from fastmcp.client.transports import StreamableHttpTransport

    browser = Browser()

    class Headless(OAuth):
        async def redirect_handler(self, authorization_url):
            await browser.open(authorization_url)

        async def callback_handler(self):
            return await browser.answer()

    def factory(**options):
        hooks = options.pop("event_hooks", None) or {}
        return httpx2.AsyncClient(event_hooks={**hooks, "response": [noted]}, **options)

    auth = Headless(URL, client_name="FastMCP")
    return Client(StreamableHttpTransport(URL, auth=auth, httpx_client_factory=factory))


async def names(client) -> str:
    listed = await client.list_tools()
    return " ".join(sorted(tool.name for tool in getattr(listed, "tools", listed)))


async def call(client, name: str, **arguments) -> str:
    return (await client.call_tool(name, arguments)).content[0].text


async def main() -> None:
    async with with_mcp() if PACKAGE == "mcp" else with_fastmcp() as client:
        steps["list before"] = await names(client)
        steps["read"] = await call(client, "list_notes")
        steps["list of a reader"] = await names(client)
        steps["write"] = await call(client, "add_note", text="by Python")
        steps["list of a writer"] = await names(client)
        steps["read again"] = await call(client, "list_notes")


try:
    asyncio.run(main())
except BaseException as error:
    steps["error"] = "".join(traceback.format_exception(error))
print(json.dumps({"steps": steps, "requests": requests}))
