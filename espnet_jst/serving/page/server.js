// What the page asks the server, with the token where there is one. The token stays in this tab.

const KEY = "espnet_jst token";
let token = sessionStorage.getItem(KEY) ?? "";

export class RefusedError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function useToken(given) {
  token = given;
  sessionStorage.setItem(KEY, given);
}

// Take a token from #token=..., a part of the address that browsers never send, and out of the address bar.
export function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  useToken(given);
}

export async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...options, headers });
  } catch {
    throw new RefusedError("the server cannot be reached", 0);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new RefusedError(said.error ?? `the server answers ${response.status}`, response.status);
}

// A browser cannot set headers of a WebSocket: the token goes into its address, as with other clients.
export function liveAddress() {
  const address = new URL("live", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  if (token) address.searchParams.set("token", token);
  return address;
}
