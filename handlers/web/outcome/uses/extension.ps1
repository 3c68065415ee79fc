& {
npx tfx-cli login --service-url https://marketplace.visualstudio.com --auth-type pat
npx tfx-cli extension publish
}
