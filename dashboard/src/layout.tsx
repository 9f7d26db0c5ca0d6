// The frame of each page: navigation, the state of the connection, and the reader's choices.

import { Suspense, useEffect, useState } from "react";
import { Button } from "react-aria-components";
import { NavLink, Outlet, useLocation } from "react-router";
import { Choices } from "./choices";
import { clock } from "./format";
import { useConnection } from "./live";
import { Loading, Refusal } from "./parts";
import { usePreferences, useTexts } from "./preferences";
import { useSignOut } from "./session";

const PLACES = [
  ["/", "overview"],
  ["/devices", "devices"],
  ["/applications", "applications"],
  ["/deploy", "deploy"],
  ["/gateways", "gateways"],
  ["/topology", "topology"],
  ["/monitoring", "monitoring"],
  ["/terminal", "terminal"],
  ["/initial-config", "setup"],
] as const;

export function Layout() {
  const t = useTexts();
  const signOut = useSignOut();
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => setOpen(false), [pathname]);
  return (
    <div className="frame">
      <a className="skip" href="#main">
        {t.skip}
      </a>
      <header className="top">
        <Button className="icon menu-button" aria-label={t.menu} aria-expanded={open} onPress={() => setOpen(!open)}>
          ☰
        </Button>
        <p className="brand">Wasmbed</p>
        <ConnectionState />
      </header>
      <div className={open ? "side open" : "side"}>
        <nav aria-label={t.pages}>
          {PLACES.map(([path, key]) => (
            <NavLink key={path} to={path} end={path === "/"}>
              {t.places[key]}
            </NavLink>
          ))}
        </nav>
        <section className="own" aria-label={t.preferences}>
          <Choices />
          <Button className="button" onPress={signOut}>
            {t.signOut}
          </Button>
        </section>
      </div>
      <main id="main" tabIndex={-1}>
        <Refused />
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
    </div>
  );
}

function ConnectionState() {
  const t = useTexts();
  const { language } = usePreferences();
  const connection = useConnection();
  const text = {
    connecting: () => t.connecting,
    live: () => t.live,
    lost: () => (connection.state === "lost" ? t.lostSince(clock(connection.since, language)) : ""),
    refused: () => t.notFollowed,
  }[connection.state]();
  return (
    <p className="connection" role="status" data-state={connection.state}>
      {text}
    </p>
  );
}

/** Why nothing is shown, where the token has no right to watch. */
function Refused() {
  const connection = useConnection();
  return connection.state === "refused" ? <Refusal error={connection.refusal} /> : null;
}
