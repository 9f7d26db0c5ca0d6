import { Link, useRouteError } from "react-router";
import { Empty, Page, Refusal } from "../parts";
import { useTexts } from "../preferences";

/** An address without a page. */
export function Missing() {
  const t = useTexts();
  return (
    <Page title={t.noPage}>
      <Empty title={t.noPageText}>
        <Link to="/">{t.places.overview}</Link>
      </Empty>
    </Page>
  );
}

/** A page that failed to load or to show. */
export function Broken() {
  const t = useTexts();
  return (
    <main className="sign-in">
      <h1>{t.broken}</h1>
      <Refusal error={useRouteError()} />
      <a href="/">{t.places.overview}</a>
    </main>
  );
}
