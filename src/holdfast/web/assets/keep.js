// Has the browser keep the page's own files (`worker.js`), so that it opens, with what was not sent yet, also while the gateway is away. A browser does this
// on the machine itself and over TLS alone.

const FILES = "holdfast";

export async function keepFiles() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  try {
    await serviceWorker.register("/worker.js");
    if (!serviceWorker.controller) await keepThese();
  } catch {
    // The gateway is away, or the browser keeps nothing: then the page opens when the gateway is there.
  }
}

// What was loaded before somebody took care of it.
async function keepThese() {
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
  const files = await caches.open(FILES);
  await files.addAll(["/", ...new Set(loaded.filter((path) => path.startsWith("/assets/")))]);
}
