// What a person does in the browser: opens the consent page, ticks exactly what the client asked for (or less), allows; and
// sees where the issuer sends the browser then.

/** The callback URL, with its code. `keep` says which of the ticked scopes stay ticked. */
export async function consent(authorizationUrl, user, keep = () => true) {
  const page = await (await fetch(authorizationUrl, { redirect: 'manual' })).text();
  const request = /name="request" value="([^"]*)"/.exec(page)?.[1];
  if (!request) throw new Error(`no consent page: ${page}`);
  const ticked = [...page.matchAll(/name="scope:([^"]*)" value="on" checked/g)].map((match) => match[1]);
  const form = new URLSearchParams({ request, scopes: 'chosen', sub: user, decision: 'allow' });
  for (const scope of ticked.filter(keep)) form.set(`scope:${scope}`, 'on');
  const decision = new URL('/authorize/decision', authorizationUrl);
  const answer = await fetch(decision, { method: 'POST', body: form, redirect: 'manual' });
  const location = answer.headers.get('location');
  if (!location) throw new Error(`no redirect: ${answer.status} ${await answer.text()}`);
  return new URL(location);
}
