// A proxy through which the whole browser must go. It lets requests to this machine through and no other, whatever a page says
// or a browser does in the background; and so it knows what the pages' servers were asked for, icons too.

import http from 'node:http';

/** Its address for the browser, and every request so far that it let through, as `METHOD URL`. */
export async function witness() {
  const requests = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url);
    if (url.hostname !== '127.0.0.1') return void response.writeHead(403).end();
    requests.push(`${request.method} ${url.origin}${url.pathname}`);
    const { 'proxy-connection': _, ...headers } = request.headers;
    const onward = http.request(url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  // A tunnel is for TLS, and nothing here speaks that. The browser may be gone before it is told: the socket is ours by then, and
  // an error that nobody listens to would end this process.
  server.on('connect', (_, socket) => {
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, requests, close: () => server.close() };
}
