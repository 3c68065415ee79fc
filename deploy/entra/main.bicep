// Registers patdesk in Entra ID: the app, its redirect URIs, the three permissions on Azure DevOps with the consent for
// the whole tenant, and a certificate or a federated credential. README.md has examples.
extension microsoftGraphV1

@description('The address that people open, as in BASE_URL, without a slash at its end.')
param url string

@description('What people see when they sign in.')
param displayName string = 'patdesk'

@description('By which this template finds the app again. It can\'t be changed later.')
param uniqueName string = 'patdesk'

@description('The public part of the certificate: the base64 between the lines BEGIN and END, without line breaks.')
param certificate string = ''

@description('Issuer of a federated credential, such as the OIDC issuer of an AKS cluster.')
param issuer string = ''

@description('Subject of the federated credential.')
param subject string = 'system:serviceaccount:patdesk:patdesk'

@description('Agree to the permissions for everybody in the tenant. Takes an administrator.')
param consent bool = true

// Not user_impersonation: it would let patdesk do all that a person may do in Azure DevOps.
var permissions = ['vso.pats', 'vso.pats_manage', 'vso.profile']

// Azure DevOps, the same in every tenant. Where it is missing: az ad sp create --id 499b84ac-1321-427f-aa17-267ca6975798
resource azureDevOps 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '499b84ac-1321-427f-aa17-267ca6975798'
}

// No optional claims are needed: name and preferred_username come with the scope "profile", oid and tid always.
resource app 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
  }
  web: {
    redirectUris: ['${url}/getAToken', '${url}/']
    implicitGrantSettings: {
      enableAccessTokenIssuance: false
      enableIdTokenIssuance: false
    }
  }
  requiredResourceAccess: [
    {
      resourceAppId: azureDevOps.appId
      resourceAccess: map(filter(azureDevOps.oauth2PermissionScopes, scope => contains(permissions, scope.value)), scope => {
        id: scope.id
        type: 'Scope'
      })
    }
  ]
  keyCredentials: empty(certificate)
    ? []
    : [
        {
          displayName: 'patdesk'
          usage: 'Verify'
          type: 'AsymmetricX509Cert'
          key: certificate
        }
      ]
}

resource federated 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = if (!empty(issuer)) {
  name: '${app.uniqueName}/patdesk'
  issuer: issuer
  subject: subject
  audiences: ['api://AzureADTokenExchange']
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: app.appId
}

resource grant 'Microsoft.Graph/oauth2PermissionGrants@v1.0' = if (consent) {
  clientId: servicePrincipal.id
  resourceId: azureDevOps.id
  consentType: 'AllPrincipals'
  scope: join(permissions, ' ')
}

output clientId string = app.appId
output authority string = '${environment().authentication.loginEndpoint}${tenant().tenantId}'
