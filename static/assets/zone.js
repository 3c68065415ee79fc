// Says once in which time zone the reader lives: the server words dates and times in it from the next page on.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const cookie = `patdesk-zone=${zone}`;
if (zone && !document.cookie.split("; ").includes(cookie)) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax${secure}`;
}
