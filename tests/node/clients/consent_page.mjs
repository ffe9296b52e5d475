// People at the consent page, in a real browser: `node consent_page.mjs PERSON MCP_URL`. Prints one JSON object: what each step
// gave, with every request of the browser, and what it complained about.

import { browser, ConsentPage } from './chromium.mjs';
import { PlainClient } from './plain.mjs';

const [person, url] = process.argv.slice(2);
const { page, asked, arrived, complaints, quit } = await browser();
const steps = {};

/** A client that has been challenged, and the page that it opens for that. */
async function challenged(name = 'Notes on my desk') {
  const client = await PlainClient.start(url, name);
  steps.challenge = await client.call('list_notes');
  return [client, await opened(client, steps.challenge.scope)];
}

async function opened(client, scope) {
  return ConsentPage.open(page, await client.authorizationUrl(scope));
}

/** Back at the client: what it was told, and what it got for that. */
async function back(client, name) {
  await page.waitForURL((to) => to.href.startsWith(client.callbacks.url));
  steps[`${name}: seen`] = await page.title();
  steps[`${name}: told`] = client.answered();
  if (steps[`${name}: told`].code) steps[`${name}: scope`] = await client.redeem();
}

const people = {
  /** Gives what is asked for, and more when more is asked for. */
  async generous() {
    const [client, first] = await challenged();
    steps['first page'] = await first.read();
    steps['the host of the client'] = new URL(client.callbacks.url).host;
    await first.user.selectOption('bob');
    await first.allow.click();
    await back(client, 'first');
    steps.read = await client.call('list_notes');
    steps.write = await client.call('add_note', { text: 'by browser' });
    const second = await opened(client, `${steps['first: scope']} ${steps.write.scope}`);
    steps['second page'] = await second.read();
    await second.user.selectOption('bob');
    await second.allow.click();
    await back(client, 'second');
    steps['write again'] = await client.call('add_note', { text: 'by browser' });
    steps['read again'] = await client.call('list_notes');
    return client;
  },

  async unwilling() {
    const [client, asked] = await challenged();
    await asked.deny.click();
    await back(client, 'only');
    steps.read = await client.call('list_notes');
    return client;
  },

  /** Clicks on the label's words, which are larger than the box. */
  async sparing() {
    const [client, asked] = await challenged();
    await asked.scopes.getByText('tool:read', { exact: true }).click();
    await asked.user.selectOption('bob');
    steps.page = await asked.read();
    await asked.allow.click();
    await back(client, 'only');
    steps.read = await client.call('list_notes');
    steps.who = await client.call('whoami');
    return client;
  },

  /** Goes from control to control, finds bob by his first letter, gives a scope that wasn't asked for. */
  async without_a_mouse() {
    const [client, asked] = await challenged();
    const stops = (steps.stops = []);
    const tab = async () => void (await page.keyboard.press('Tab'), stops.push(await asked.focused()));
    await tab();
    await page.keyboard.press('b');
    await tab();
    await tab();
    await page.keyboard.press('Space');
    await tab();
    await tab();
    await tab();
    await page.keyboard.press('Shift+Tab');
    stops.push(await asked.focused());
    steps.page = await asked.read();
    await page.keyboard.press('Enter');
    await back(client, 'only');
    steps.write = await client.call('add_note', { text: 'by keyboard' });
    return client;
  },

  /** Reads what a client calls itself, which may be anything. */
  async suspicious() {
    const markup = '</strong><script>ran = 1</script><img src="/x" onerror="ran = 1"><b>bold</b> &amp; "quoted"';
    const [, asked] = await challenged(markup);
    steps.page = await asked.read();
    steps['elements of the name'] = await page.locator('script, img, b').count();
    steps['its script ran'] = await page.evaluate(() => 'ran' in globalThis);
    // U+202E has all that follows read from right to left, unless it is kept apart.
    const client = await PlainClient.start(url, 'Notes \u202E');
    steps['challenge again'] = await client.call('list_notes');
    await opened(client, 'tool:read');
    steps['host from left to right'] = await page.getByRole('code').first().evaluate((code) => {
      const letters = [...code.textContent].map((_, at) => {
        const range = document.createRange();
        range.setStart(code.firstChild, at);
        range.setEnd(code.firstChild, at + 1);
        return range.getBoundingClientRect().left;
      });
      return letters.every((left, at) => at === 0 || letters[at - 1] < left);
    });
    return client;
  },
};

try {
  const client = await people[person]();
  const { origin } = new URL(client.server.authorizationServerUrl);
  // The ports differ from run to run.
  const known = (text) => text.replaceAll(origin, 'issuer').replaceAll(new URL(client.callbacks.url).origin, 'client');
  steps['the page asked for'] = asked.map(known);
  steps['this machine was asked for'] = arrived.map(known);
} catch (error) {
  steps.error = `${error?.stack ?? error}`;
  steps['the page then'] = await page.locator('body').innerText();
}
await quit();
console.log(JSON.stringify({ steps, complaints }));
process.exit();
