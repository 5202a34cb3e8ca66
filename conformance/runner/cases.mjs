export async function runCases(){return {passed:0,failed:0}}
