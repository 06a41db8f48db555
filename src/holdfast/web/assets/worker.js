// Keeps the page's own files for the time when the gateway is away. While it is there, it is asked, always; nothing else goes through here.

const FILES = "holdfast";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === "GET" && (pathname === "/" || pathname.startsWith("/assets/"))) event.respondWith(file(event.request, pathname));
});

async function file(request, path) {
  const files = await caches.open(FILES);
  try {
    const response = await fetch(request);
    if (response.ok) await files.put(path, response.clone());
    return response;
  } catch (error) {
    const kept = await files.match(path);
    if (kept) return kept;
    throw error;
  }
}
