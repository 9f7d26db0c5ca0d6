// The actions of a row.

import { Button, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";

export interface Action {
  key: string;
  title: string;
  run: () => void;
  danger?: boolean;
}

export function Actions({ label, actions }: { label: string; actions: readonly Action[] }) {
  return (
    <MenuTrigger>
      <Button className="icon" aria-label={label}>
        ⋯
      </Button>
      <Popover className="popover" placement="bottom end">
        <Menu className="menu" aria-label={label} onAction={(key) => actions.find((each) => each.key === key)?.run()}>
          {actions.map((each) => (
            <MenuItem key={each.key} id={each.key} className={each.danger ? "menu-item danger" : "menu-item"}>
              {each.title}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
