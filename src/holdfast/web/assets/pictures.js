// Pictures on their way to a model: models see no more than this many pixels, and providers refuse what is larger.

const SIDE_MAX = 2000;
const BYTES_MAX = 3_500_000;
const SHRINKABLE = ["image/png", "image/jpeg", "image/webp"]; // a GIF may move

// The picture, made smaller if it is too large. What is no picture, or can't be read as one, stays as it is.
export async function fitting(blob) {
  if (!SHRINKABLE.includes(blob.type)) return blob;
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    return blob; // the gateway says what it is
  }
  const scale = Math.min(1, SIDE_MAX / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && blob.size <= BYTES_MAX) return blob;
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG knows no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}
