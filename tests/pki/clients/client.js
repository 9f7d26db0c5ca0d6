// usage: node client.js PORT; certificates and keys are in the working folder.
const { readFileSync } = require("fs");
const socket = require("tls").connect({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  servername: "localhost",
  ca: readFileSync("trust.pem"),
  cert: readFileSync("cert.pem"),
  key: readFileSync("key.pem"),
});
socket.on("data", (data) => {
  process.stdout.write(data);
  socket.end();
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
