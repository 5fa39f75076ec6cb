// @ts-check
/** Loads the page again when files of the pages have changed. Only `cara-gateway dev` puts it into pages. */

const AGAIN_MS = 500;
const own = new URL(import.meta.url);
const version = own.searchParams.get('version');
const question = new URL(`changes?version=${version}`, own);

for (;;) {
  try {
    const answer = await (await fetch(question)).json();
    if (answer.version !== version) {
      location.reload();
      break;
    }
  } catch {
    // The gateway is away; when it is back, its pages may be others.
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
