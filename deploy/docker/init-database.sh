#!/bin/sh
# Run once by the postgres image: a login and a database for each role that lives on this server. None can connect to another's.
set -eu
for role in $TACIT_ROLES; do
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v name="tacit_$role" -v password="$(cat "/run/secrets/$role-password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
