import { RegistryError } from '../errors.ts';

/** Permission names in the order of their enum values, which start at 1 (0 is "unspecified" and never valid). */
export type PermissionList<P extends string> = readonly P[];

/** Throws `wire/shape` for 0 or a number beyond the list. */
export function readPermissions<P extends string>(all: PermissionList<P>, numbers: readonly number[]): P[] {
  return numbers.map((number) => {
    const permission = all[number - 1];
    if (permission === undefined) throw new RegistryError('wire/shape', `unknown permission ${number}`);
    return permission;
  });
}

export function permissionNumbers<P extends string>(all: PermissionList<P>, permissions: readonly P[]): number[] {
  return permissions.map((permission) => all.indexOf(permission) + 1);
}
