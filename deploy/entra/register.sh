#!/usr/bin/env bash
# Registers patdesk in Entra ID with the Azure CLI: the app, its redirect URIs, the three permissions on Azure DevOps, and
# a certificate or a federated credential. Prints the settings that come of it. README.md has examples.
set -euo pipefail

usage() {
  cat >&2 <<END
usage: $0 --url URL [--name NAME | --app APP_ID] [--certificate FILE | --issuer URL --subject TEXT] [--consent]

  --url URL            the address that people open, as in BASE_URL: https://patdesk.contoso.com
  --name NAME          what people see when they sign in; patdesk if left out
  --app APP_ID         bring an app that is there already into this state, instead of making one
  --certificate FILE   the public part, PEM; patdesk gets the file with certificate and key
  --issuer, --subject  of a federated credential; "patdesk -check" says both
  --consent            agree to the permissions for the whole tenant; takes an administrator
END
  exit 2
}

url='' name=patdesk app='' certificate='' issuer='' subject='' consent=''
while [ $# -gt 0 ]; do
  case $1 in
    --url | --name | --app | --certificate | --issuer | --subject)
      [ $# -ge 2 ] || usage
      declare "${1#--}=$2"
      shift 2
      ;;
    --consent) consent=yes && shift ;;
    *) usage ;;
  esac
done
plain='^[A-Za-z0-9 ._-]+$'
[[ $url =~ ^https?://[A-Za-z0-9.:/_~-]+$ && $name =~ $plain ]] || usage
[ -z "$issuer" ] && [ -z "$subject" ] || [[ $issuer =~ ^https://[^\"\\]+$ && $subject =~ ^[^\"\\]+$ ]] || usage
[ -z "$certificate" ] || [ -r "$certificate" ] || { echo "$certificate can't be read" >&2; exit 2; }
url=${url%/}

ado=499b84ac-1321-427f-aa17-267ca6975798 # Azure DevOps, the same in every tenant
graph=$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)
graph=${graph%/}
tenant=$(az account show --query tenantId -o tsv)

# A tenant that hasn't used Azure DevOps with Entra ID yet doesn't know it.
az ad sp show --id "$ado" --query id -o tsv >/dev/null 2>&1 || az ad sp create --id "$ado" --query id -o tsv >/dev/null

# Not user_impersonation: it would let patdesk do all that a person may do in Azure DevOps.
access=''
for permission in vso.pats vso.pats_manage vso.profile; do
  id=$(az ad sp show --id "$ado" --query "oauth2PermissionScopes[?value=='$permission'].id" -o tsv)
  [ -n "$id" ] || { echo "Azure DevOps in this tenant knows no permission $permission" >&2; exit 1; }
  access+="${access:+,}{\"id\":\"$id\",\"type\":\"Scope\"}"
done

# No optional claims are needed: name and preferred_username come with the scope "profile", oid and tid always.
body=$(
  cat <<END
{
  "displayName": "$name",
  "signInAudience": "AzureADMyOrg",
  "api": {"requestedAccessTokenVersion": 2},
  "web": {
    "redirectUris": ["$url/getAToken", "$url/"],
    "implicitGrantSettings": {"enableAccessTokenIssuance": false, "enableIdTokenIssuance": false}
  },
  "requiredResourceAccess": [{"resourceAppId": "$ado", "resourceAccess": [$access]}]
}
END
)
json='Content-Type=application/json'
if [ -n "$app" ]; then
  az rest --method PATCH --url "$graph/v1.0/applications(appId='$app')" --headers "$json" --body "$body"
else
  there=$(az ad app list --filter "displayName eq '$name'" --query '[].appId' -o tsv)
  [ -z "$there" ] || { echo "There is an app of that name already: $there. To change that one: --app $there" >&2; exit 1; }
  app=$(az rest --method POST --url "$graph/v1.0/applications" --headers "$json" --body "$body" --query appId -o tsv)
fi
az ad sp show --id "$app" --query id -o tsv >/dev/null 2>&1 || az ad sp create --id "$app" --query id -o tsv >/dev/null

if [ -n "$certificate" ]; then
  az ad app credential reset --id "$app" --cert "@$certificate" --append --query appId -o tsv >/dev/null
fi
if [ -n "$issuer" ]; then
  az ad app federated-credential create --id "$app" --query id -o tsv >/dev/null --parameters \
    "{\"name\":\"patdesk\",\"issuer\":\"$issuer\",\"subject\":\"$subject\",\"audiences\":[\"api://AzureADTokenExchange\"]}"
fi
if [ -n "$consent" ]; then
  az ad app permission admin-consent --id "$app" # if it fails at first, wait a minute
else
  echo "An administrator still has to agree: az ad app permission admin-consent --id $app" >&2
fi

cloud=$(az cloud show --query endpoints.activeDirectory -o tsv)
cat <<END
CLIENT_ID=$app
AUTHORITY=${cloud%/}/$tenant
BASE_URL=$url
END
